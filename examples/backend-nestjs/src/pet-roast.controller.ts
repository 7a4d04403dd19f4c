/** Starts videos, and takes the webhook that tells how they ended. */
import { randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Inject,
  NotFoundException,
  Param,
  ParseUUIDPipe,
  Post,
  type RawBodyRequest,
  Req,
  UnauthorizedException,
} from '@nestjs/common';
import {
  type Client,
  InvalidRequestError,
  isOver,
  type JobStatus,
  PetRoastError,
  type WebhookEvent,
} from '@pet-roast/client';
import type { Request } from 'express';
import { Webhook, WebhookVerificationError } from 'svix';

export const PET_ROAST = Symbol('the client of Pet Roast');

type Outcome = { status: JobStatus['status']; video_url: string | null; error: string | null };
type Roast = { id: string; jobId: string; status: JobStatus['status']; videoUrl: string | null; error: string | null };

@Controller()
export class PetRoastController {
  // In memory, to keep the example to one file. In a database: a table each, and recordOutcome() in one transaction, as
  // backend-graphql/src/roasts.ts has it.
  private readonly roasts = new Map<string, Roast>();
  private readonly webhookIds = new Set<string>();

  constructor(
    @Inject(PET_ROAST) private readonly petRoast: Client,
    @Inject(Webhook) private readonly webhook: Webhook,
  ) {}

  @Post('pet-roasts')
  @HttpCode(202)
  async start(
    @Body('text') text: string,
    @Body('imageUrl') imageUrl: string,
    /** Made by the app, once for each tap on the button: a repeat of the request is then the same roast. */
    @Body('requestId', new ParseUUIDPipe({ optional: true })) requestId?: string,
  ): Promise<Roast> {
    // The Idempotency-Key: without it a repeat would be a second video, and paid.
    const id = requestId ?? randomUUID();
    const job = await this.petRoast
      .generateVideo({ text, image_url: imageUrl }, { idempotencyKey: id })
      .catch(throwForApp);
    const roast = this.roasts.get(id) ?? { id, jobId: job.job_id, status: job.status, videoUrl: null, error: null };
    this.roasts.set(id, roast);
    return roast;
  }

  @Get('pet-roasts/:id')
  async find(@Param('id') id: string): Promise<Roast> {
    const roast = this.roasts.get(id);
    if (roast === undefined) throw new NotFoundException();
    // The webhook may have come before start() knew the job, or not at all.
    const job = isOver(roast) ? undefined : await this.petRoast.getStatus(roast.jobId).catch(() => undefined);
    if (job && !isOver(roast)) record(roast, { ...job, error: job.error?.message ?? null });
    return roast;
  }

  @Post('webhooks/pet-roast-complete')
  @HttpCode(200)
  complete(@Req() request: RawBodyRequest<Request>): { received: true } {
    const event = this.verify(request);
    if (event.status !== 'test' && !this.webhookIds.has(event.webhook_id)) {
      this.webhookIds.add(event.webhook_id);
      this.recordOutcome(event);
    }
    return { received: true };
  }

  /** Needs `rawBody: true` in main.ts: the signature is over the bytes as they came. */
  private verify(request: RawBodyRequest<Request>): WebhookEvent {
    // Only these three: `svix` would prefer headers of its own, and a repeat could come under another webhook-id.
    const headers = {
      'webhook-id': request.header('webhook-id') ?? '',
      'webhook-timestamp': request.header('webhook-timestamp') ?? '',
      'webhook-signature': request.header('webhook-signature') ?? '',
    };
    const body = request.rawBody ?? Buffer.alloc(0);
    try {
      this.webhook.verify(body, headers);
    } catch (error) {
      if (error instanceof WebhookVerificationError) throw new UnauthorizedException();
      throw error;
    }
    return { ...JSON.parse(body.toString('utf8')), webhook_id: headers['webhook-id'] };
  }

  private recordOutcome(event: Exclude<WebhookEvent, { status: 'test' }>): void {
    const roast = [...this.roasts.values()].find(({ jobId }) => jobId === event.job_id);
    if (roast) record(roast, event);
  }
}

function record(roast: Roast, { status, video_url, error }: Outcome): void {
  Object.assign(roast, { status, videoUrl: video_url, error });
}

/** No pets, a photo that cannot be read: the user's to mend. Pet Roast away or busy: later. All else is ours: 500. */
function throwForApp(error: unknown): never {
  if (!(error instanceof PetRoastError)) throw error;
  const { code, message, suggestion, retryable } = error;
  const body = { error: code, message: `${message} ${suggestion}` };
  if (retryable) throw new HttpException(body, 503);
  if (code === 'no_pets_detected' || error instanceof InvalidRequestError) throw new HttpException(body, 400);
  throw error;
}
