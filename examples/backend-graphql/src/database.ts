/**
 * Postgres. Here it is PGlite: Postgres itself, in this process, so that the example needs no server. With a server, only
 * this file changes: `query` is `pool.query(sql, values)` of the package `pg`, and `transaction` takes a client from the
 * pool and wraps the work in BEGIN and COMMIT or ROLLBACK. The SQL stays as it is.
 */
import { PGlite } from '@electric-sql/pglite';

/** Runs one statement, with `$1`, `$2`, … for the values, and gives its rows. */
export type Query = <Row>(sql: string, values?: unknown[]) => Promise<Row[]>;

export type Database = {
  readonly query: Query;
  /** Commits what `work` did, or, when it throws, nothing of it. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
};

const schema = `
  CREATE TABLE IF NOT EXISTS roasts (
    id            text PRIMARY KEY,
    job_id        text NOT NULL UNIQUE,
    status        text NOT NULL,
    text          text NOT NULL,
    image_url     text NOT NULL,
    video_url     text,
    error_code    text,
    error_message text,
    device_token  text,
    created_at    timestamptz NOT NULL DEFAULT now()
  );
  -- One row for each webhook that was worked off: the key is what makes a repeat do nothing.
  CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id  text PRIMARY KEY,
    job_id      text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
  );
`;

/** Opens the database in a folder, or in memory without one, and makes the tables that are missing. */
export async function openDatabase(folder: string | undefined): Promise<Database> {
  const postgres = await PGlite.create(folder);
  await postgres.exec(schema);
  return {
    query: async (sql, values) => (await postgres.query(sql, values)).rows as never,
    transaction: (work) =>
      postgres.transaction((tx) => work(async (sql, values) => (await tx.query(sql, values)).rows as never)),
    close: () => postgres.close(),
  };
}
