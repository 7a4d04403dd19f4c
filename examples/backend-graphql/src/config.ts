/** Everything that the environment says, read once. */
export type Config = {
  readonly port: number;
  /** The Pet Roast gateway, with or without `/api`. */
  readonly petRoastUrl: string;
  readonly petRoastApiKey: string | undefined;
  /** `whsec_…`, the one that the notifier signs with. */
  readonly webhookSecret: string;
  /** Where the database lies; in memory when there is none. */
  readonly databaseDir: string | undefined;
  readonly firebase: FirebaseCredentials | undefined;
};

export type FirebaseCredentials =
  | 'application_default'
  | { projectId: string; clientEmail: string; privateKey: string };

/** Throws, naming the variable, when a needed one is not set. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const optional = (name: string) => env[name] || undefined;
  const required = (name: string) => {
    const value = optional(name);
    if (value === undefined) throw new Error(`${name} is not set; README.md says what it is`);
    return value;
  };
  return {
    port: Number(optional('PORT') ?? 4000),
    // The second is its name in the backends of 1.x.
    petRoastUrl: optional('PET_ROAST_URL') ?? optional('AI_SERVICE_URL') ?? required('PET_ROAST_URL'),
    petRoastApiKey: optional('PET_ROAST_API_KEY'),
    webhookSecret: required('BACKEND_WEBHOOK_SECRET'),
    databaseDir: optional('DATABASE_DIR'),
    firebase: firebaseCredentials(optional, required),
  };
}

type Read<Value> = (name: string) => Value;

function firebaseCredentials(optional: Read<string | undefined>, required: Read<string>): Config['firebase'] {
  if (optional('GOOGLE_APPLICATION_CREDENTIALS')) return 'application_default';
  const projectId = optional('FIREBASE_PROJECT_ID');
  if (projectId === undefined) return undefined;
  // In an environment variable the key's line breaks are often written as \n.
  const privateKey = required('FIREBASE_PRIVATE_KEY').replaceAll('\\n', '\n');
  return { projectId, clientEmail: required('FIREBASE_CLIENT_EMAIL'), privateKey };
}
