/** Starts the backend: configuration, database, routes; and stops it on SIGTERM. */
import 'reflect-metadata';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { expressMiddleware } from '@as-integrations/express5';
import { createClient } from '@pet-roast/client';
import express from 'express';
import { buildSchema } from 'type-graphql';
import { readConfig } from './config';
import { openDatabase } from './database';
import { hideUnforeseen } from './errors';
import { log, messageOf } from './log';
import { createSendPush } from './push';
import { type Context, PetRoastResolver } from './resolver';
import { createRoasts } from './roasts';
import { webhookRoutes } from './webhook';

async function main(): Promise<void> {
  const config = readConfig();
  const database = await openDatabase(config.databaseDir);
  const roasts = createRoasts(database);
  const petRoast = createClient({ baseUrl: config.petRoastUrl, apiKey: config.petRoastApiKey });

  const app = express();
  const server = createServer(app);
  const apollo = new ApolloServer<Context>({
    schema: await buildSchema({ resolvers: [PetRoastResolver], validate: true }),
    formatError: hideUnforeseen,
    plugins: [ApolloServerPluginDrainHttpServer({ httpServer: server })],
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false, // the database has to be closed too, below
  });
  await apollo.start();

  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  // Before express.json(), which would take the raw body away from it.
  app.use(webhookRoutes({ secret: config.webhookSecret, roasts, sendPush: createSendPush(config.firebase) }));
  app.use('/graphql', express.json(), expressMiddleware(apollo, { context: async () => ({ petRoast, roasts }) }));

  server.listen(config.port, () => log('listening', { port: (server.address() as AddressInfo).port }));

  const stop = async (): Promise<void> => {
    await apollo.stop(); // stops listening, and lets the requests in hand finish
    await database.close();
    log('stopped');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
}

main().catch((error) => {
  log('could not start', { error: messageOf(error) });
  process.exitCode = 1;
});
