/** What the user's phone is told. */
import { applicationDefault, cert, initializeApp } from 'firebase-admin/app';
import { getMessaging } from 'firebase-admin/messaging';
import type { FirebaseCredentials } from './config';
import { log, messageOf } from './log';
import type { Roast } from './roasts';

export type Push = {
  readonly deviceToken: string;
  readonly title: string;
  readonly body: string;
  readonly data: Readonly<Record<string, string>>;
};

/** Sends one push; throws when it could not be handed over. */
export type SendPush = (push: Push) => Promise<void>;

/** Firebase Cloud Messaging; without credentials, as in tests, pushes are only written to the log. */
export function createSendPush(credentials: FirebaseCredentials | undefined): SendPush {
  if (credentials === undefined) return async (push) => log('push', push);
  const credential = credentials === 'application_default' ? applicationDefault() : cert(credentials);
  const messaging = getMessaging(initializeApp({ credential }));
  return async ({ deviceToken, title, body, data }) => {
    await messaging.send({ token: deviceToken, notification: { title, body }, data: { ...data } });
  };
}

/**
 * Tells the user how a roast ended, at most once: it comes after the commit, so that the app finds what it is told of, and
 * when it fails it is not tried again. The app shows the roast in any case.
 */
export async function tell(roast: Roast, sendPush: SendPush): Promise<void> {
  const push = pushFor(roast);
  if (push === undefined) return;
  await sendPush(push).catch((error) => log('the push failed', { id: roast.id, error: messageOf(error) }));
}

/** The push for a roast that is over; none for one that was cancelled, or whose user has no device. */
function pushFor(roast: Roast): Push | undefined {
  const { id, status, deviceToken, videoUrl } = roast;
  if (deviceToken === null) return undefined;
  const data = { id, status, ...(videoUrl !== null && { videoUrl }) };
  if (status === 'completed') return { deviceToken, title: 'Your roast is ready', body: 'Tap to watch it.', data };
  if (status !== 'failed') return undefined;
  return { deviceToken, title: 'Your roast did not work out', body: roast.errorMessage ?? 'Please try again.', data };
}
