import { Module } from '@nestjs/common';
import { createClient } from '@pet-roast/client';
import { Webhook } from 'svix';
import { PET_ROAST, PetRoastController } from './pet-roast.controller.js';

@Module({
  controllers: [PetRoastController],
  providers: [
    {
      provide: PET_ROAST,
      useFactory: () => {
        // AI_SERVICE_URL is its name in the backends of 1.x.
        const baseUrl = process.env['PET_ROAST_URL'] || process.env['AI_SERVICE_URL'] || required('PET_ROAST_URL');
        return createClient({ baseUrl, apiKey: process.env['PET_ROAST_API_KEY'] });
      },
    },
    { provide: Webhook, useFactory: () => new Webhook(required('BACKEND_WEBHOOK_SECRET')) },
  ],
})
export class AppModule {}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
