/** The roasts that users asked for, one row each. */
import type { JobStatus, WebhookEvent } from '@pet-roast/client';
import type { Database } from './database';

export type Roast = {
  readonly id: string;
  readonly jobId: string;
  /** Pet Roast's: queued, processing, completed, failed or cancelled. */
  readonly status: JobStatus['status'];
  readonly text: string;
  readonly imageUrl: string;
  readonly videoUrl: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** Where the push goes. A real backend has it with the user. */
  readonly deviceToken: string | null;
  readonly createdAt: Date;
};

export type NewRoast = Pick<Roast, 'id' | 'jobId' | 'status' | 'text' | 'imageUrl' | 'deviceToken'>;
/** How a job ended, as a webhook says it. */
export type Outcome = Exclude<WebhookEvent, { readonly status: 'test' }>;

export type Roasts = ReturnType<typeof createRoasts>;

const columns = `id, job_id AS "jobId", status, text, image_url AS "imageUrl", video_url AS "videoUrl",
  error_code AS "errorCode", error_message AS "errorMessage", device_token AS "deviceToken", created_at AS "createdAt"`;

const setStatus = `UPDATE roasts SET status = $2, video_url = $3, error_code = $4, error_message = $5 WHERE job_id = $1`;

export function createRoasts(db: Database) {
  async function find(id: string): Promise<Roast | undefined> {
    return (await db.query<Roast>(`SELECT ${columns} FROM roasts WHERE id = $1`, [id]))[0];
  }

  return {
    find,

    /** Stores a roast; gives the one that is there already when the request is a repeat. */
    async add(roast: NewRoast): Promise<Roast> {
      const { id, jobId, status, text, imageUrl, deviceToken } = roast;
      await db.query(
        `INSERT INTO roasts (id, job_id, status, text, image_url, device_token) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING`,
        [id, jobId, status, text, imageUrl, deviceToken],
      );
      const stored = await find(id);
      if (stored === undefined) throw new Error(`job ${jobId} belongs to another roast`);
      return stored;
    },

    /** Takes over a status that was asked for, unless a webhook has told the outcome meanwhile. */
    async refresh(job: JobStatus): Promise<void> {
      await db.query(`${setStatus} AND status IN ('queued', 'processing')`, [
        job.job_id,
        job.status,
        job.video_url,
        job.error?.error ?? null,
        job.error?.message ?? null,
      ]);
    },

    // docs:start once
    /**
     * Works off a webhook exactly once. The roast is undefined when the job is not one of ours; or it failed so quickly
     * that its row is not there yet, and then the first query finds out.
     */
    recordOutcome(outcome: Outcome): Promise<{ isRepeat: boolean; roast: Roast | undefined }> {
      return db.transaction(async (query) => {
        // Of two deliveries at the same time the second one waits here until the first has committed.
        const fresh = await query(
          'INSERT INTO webhooks (webhook_id, job_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING webhook_id',
          [outcome.webhook_id, outcome.job_id],
        );
        if (fresh.length === 0) return { isRepeat: true, roast: undefined };
        // An operator may replay a failed job: then a second outcome comes, under an id of its own. A video stays a video.
        const [roast] = await query<Roast>(
          `${setStatus} AND (status <> 'completed' OR $2 = 'completed') RETURNING ${columns}`,
          [outcome.job_id, outcome.status, outcome.video_url, outcome.error_code, outcome.error],
        );
        return { isRepeat: false, roast };
      });
    },
    // docs:end
  };
}
