/** The app's API: `generatePetRoast` starts a roast, `petRoast` shows it. */
import { randomUUID } from 'node:crypto';
import { type Client, isOver } from '@pet-roast/client';
import { IsOptional, IsUUID } from 'class-validator';
import { Arg, Args, ArgsType, Ctx, Field, ID, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { toGraphQLError } from './errors';
import { log, messageOf } from './log';
import type { Roasts } from './roasts';

export type Context = { readonly petRoast: Client; readonly roasts: Roasts };

/** A query is not worth a longer wait: the stored row is an answer too. */
const refreshTimeoutMs = 2_000;

@ObjectType()
class PetRoast {
  @Field(() => ID)
  id!: string;
  @Field(() => ID, { description: 'What Pet Roast calls it; for questions to its operator' })
  jobId!: string;
  @Field(() => String, { description: 'queued, processing, completed, failed or cancelled' })
  status!: string;
  @Field(() => String)
  text!: string;
  @Field(() => String)
  imageUrl!: string;
  @Field(() => String, { nullable: true })
  videoUrl!: string | null;
  @Field(() => String, { nullable: true })
  errorCode!: string | null;
  @Field(() => String, { nullable: true, description: 'Why there is no video, for the user' })
  errorMessage!: string | null;
  @Field()
  createdAt!: Date;
}

@ArgsType()
class GeneratePetRoastArgs {
  @Field()
  text!: string;
  @Field()
  imageUrl!: string;
  /** Made by the app, once for each tap on the button: a repeat of the request is then the same roast. */
  @Field(() => ID, { nullable: true })
  @IsOptional()
  @IsUUID()
  requestId?: string;
  @Field(() => String, { nullable: true })
  deviceToken?: string | null;
}

@Resolver()
export class PetRoastResolver {
  // docs:start start
  @Mutation(() => PetRoast)
  async generatePetRoast(
    @Args() { text, imageUrl, requestId, deviceToken = null }: GeneratePetRoastArgs,
    @Ctx() { petRoast, roasts }: Context,
  ): Promise<PetRoast> {
    // The roast's id is the Idempotency-Key, so a repeat is the same job. With users, make it `${user.id}:${requestId}`.
    const id = requestId ?? randomUUID();
    try {
      const job = await petRoast.generateVideo({ text, image_url: imageUrl }, { idempotencyKey: id });
      return await roasts.add({ id, jobId: job.job_id, status: job.status, text, imageUrl, deviceToken });
    } catch (error) {
      throw toGraphQLError(error);
    }
  }
  // docs:end

  @Query(() => PetRoast, { nullable: true })
  async petRoast(@Arg('id', () => ID) id: string, @Ctx() { petRoast, roasts }: Context): Promise<PetRoast | undefined> {
    const roast = await roasts.find(id);
    if (roast === undefined || isOver(roast)) return roast;
    try {
      await roasts.refresh(await petRoast.getStatus(roast.jobId, { signal: AbortSignal.timeout(refreshTimeoutMs) }));
    } catch (error) {
      log('the status could not be asked for', { jobId: roast.jobId, error: messageOf(error) });
    }
    return roasts.find(id);
  }
}
