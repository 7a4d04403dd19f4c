/** A type guard for each status; they work on a job's status and on a webhook's event alike. */
type Status = 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'test';
type Has<S extends Status> = { readonly status: S };

export function isQueued<T extends { readonly status: string }>(value: T): value is T & Has<'queued'> {
  return value.status === 'queued';
}

export function isProcessing<T extends { readonly status: string }>(value: T): value is T & Has<'processing'> {
  return value.status === 'processing';
}

/** There is a video, at `video_url`. */
export function isCompleted<T extends { readonly status: string }>(value: T): value is T & Has<'completed'> {
  return value.status === 'completed';
}

/** There is no video; `error` says why. */
export function isFailed<T extends { readonly status: string }>(value: T): value is T & Has<'failed'> {
  return value.status === 'failed';
}

export function isCancelled<T extends { readonly status: string }>(value: T): value is T & Has<'cancelled'> {
  return value.status === 'cancelled';
}

/** A webhook that only tries the connection: acknowledge it and do nothing. */
export function isTest<T extends { readonly status: string }>(value: T): value is T & Has<'test'> {
  return value.status === 'test';
}

/** Nothing will change any more. */
export function isOver<T extends { readonly status: string }>(
  value: T,
): value is T & Has<'completed' | 'failed' | 'cancelled'> {
  return isCompleted(value) || isFailed(value) || isCancelled(value);
}
