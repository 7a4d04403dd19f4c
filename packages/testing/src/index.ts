export * from './broker-for-test.ts';
export { natsForTest, redisForTest } from './infrastructure.ts';
export { type RunningService, type ServiceOptions, spawnService } from './spawn-service.ts';
export * from './start-fleet.ts';
export * from './start-system.ts';
export * from './start-test-system.ts';
export { type UntilOptions, until } from './until.ts';
