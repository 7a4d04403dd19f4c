import {
  type LocalServer,
  type NatsOptions,
  openNats,
  openRedis,
  type RedisOptions,
  thisMachine,
} from '@pet-roast/sandbox/infrastructure';

/**
 * A NATS server of the test's own, with JetStream and nothing in it: `await using nats = await natsForTest()`.
 * What NATS_URL names is never used: tests kill and empty their servers, and that one is somebody's.
 */
export function natsForTest(options: NatsOptions = {}): Promise<LocalServer> {
  return openNats({ machine: testMachine(), ...options });
}

/** A Redis server of the test's own, empty: `await using redis = await redisForTest()`. REDIS_URL is never used. */
export function redisForTest(options: RedisOptions = {}): Promise<LocalServer> {
  return openRedis({ machine: testMachine(), ...options });
}

/** This machine, without the servers that are somebody else has. */
export function testMachine() {
  const { NATS_URL: _nats, REDIS_URL: _redis, ...env } = process.env;
  return thisMachine({ env });
}
