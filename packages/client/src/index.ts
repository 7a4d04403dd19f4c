/** Pet Roast for Node backends: start a video, follow it, verify its webhook. */
export { type Client, type ClientOptions, createClient } from './client.ts';
export {
  InvalidRequestError,
  JobCancelledError,
  JobNotFoundError,
  NetworkError,
  NoPetsDetectedError,
  NotReadyError,
  OverloadedError,
  PetRoastError,
  type PetRoastErrorOptions,
  RateLimitedError,
  RenderFailedError,
  TimeoutError,
  UnauthorizedError,
  UnavailableError,
} from './errors.ts';
export { isCancelled, isCompleted, isFailed, isOver, isProcessing, isQueued, isTest } from './guards.ts';
export type {
  CancelledJob,
  ConnectionReport,
  Detection,
  GenerateVideoInput,
  GenerateVideoOptions,
  JobError,
  JobStatus,
  Pet,
  SignalOptions,
  StartedJob,
  Translation,
  VideoResult,
  WaitOptions,
  WebhookEvent,
} from './types.ts';
export { verifyWebhook, type WebhookHeaders, type WebhookReason, WebhookVerificationError } from './webhook.ts';
