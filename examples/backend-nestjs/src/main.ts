import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule, { rawBody: true });
app.enableShutdownHooks(); // SIGTERM: finish what is in hand, then end
await app.listen(Number(process.env['PORT'] ?? 4000));
const { port } = app.getHttpServer().address() as AddressInfo;
process.stdout.write(`${JSON.stringify({ msg: 'listening', port })}\n`);
