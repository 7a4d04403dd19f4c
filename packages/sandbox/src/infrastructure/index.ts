export { findBinary, findWay, type Machine, NothingToRun, thisMachine, type Way } from './find.ts';
export { freePort, portOrFree } from './free-port.ts';
export type { LocalServer } from './local-server.ts';
export { type NatsOptions, openNats } from './nats.ts';
export { type PollOptions, poll } from './poll.ts';
export { type Exit, type OwnedProcess, startProcess } from './process.ts';
export { openRedis, type RedisOptions } from './redis.ts';
