/** The GraphQL example as its app uses it, and what it pushed. */
import type { RunningService } from '@pet-roast/testing';

export type Roast = {
  readonly id: string;
  readonly jobId: string;
  readonly status: string;
  readonly videoUrl: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
};
export type Failure = { readonly message: string; readonly extensions: Readonly<Record<string, unknown>> };
export type Push = {
  readonly deviceToken: string;
  readonly title: string;
  readonly body: string;
  readonly data: Readonly<Record<string, string>>;
};

type Variables = Readonly<Record<string, string>>;
const fields = '{ id jobId status videoUrl errorCode errorMessage }';
const generate = `mutation ($text: String!, $imageUrl: String!, $requestId: ID) {
  generatePetRoast(text: $text, imageUrl: $imageUrl, requestId: $requestId, deviceToken: "a-phone") ${fields}
}`;
const callTimeoutMs = 30_000;

export function graphqlOf(backend: () => RunningService) {
  async function call(query: string, variables: Variables): Promise<Roast | null> {
    const answer = await fetch(`${backend().url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(callTimeoutMs),
    });
    const { data, errors } = (await answer.json()) as { data?: { roast?: Roast }; errors?: Failure[] };
    if (errors?.[0]) throw Object.assign(new Error(errors[0].message), errors[0]);
    return Object.values(data ?? {})[0] ?? null;
  }

  return {
    async generate(variables: Variables): Promise<Roast> {
      const roast = await call(generate, variables);
      if (roast === null) throw new Error('generatePetRoast gave nothing');
      return roast;
    },
    /** The error that the mutation answers with. */
    refused: (variables: Variables): Promise<Failure> =>
      call(generate, variables).then(
        (roast) => Promise.reject(new Error(`roast ${roast?.id} was accepted`)),
        (error: Failure) => error,
      ),
    find: (id: string) => call(`query ($id: ID!) { petRoast(id: $id) ${fields} }`, { id }),
    /** The pushes of a roast, as the recorder wrote them into the log. */
    pushes: (id: string): Push[] =>
      backend()
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{') && line.includes('"msg":"push"'))
        .map((line) => JSON.parse(line) as Push)
        .filter(({ data }) => data['id'] === id),
  };
}
