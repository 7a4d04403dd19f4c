/** What the app gets to see when something goes wrong: a code for its code, a sentence for its user. */
import { unwrapResolverError } from '@apollo/server/errors';
import { InvalidRequestError, NoPetsDetectedError, PetRoastError } from '@pet-roast/client';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { log, messageOf } from './log';

/** A client's error as a GraphQL error. The client has tried its retries already. */
export function toGraphQLError(error: unknown): unknown {
  if (!(error instanceof PetRoastError)) return error;
  const { code, message, suggestion, field } = error;
  if (error instanceof NoPetsDetectedError) {
    return new GraphQLError(`${message} ${suggestion}`, { extensions: { code: 'NO_PETS_DETECTED' } });
  }
  if (error instanceof InvalidRequestError) {
    return new GraphQLError(`${message} ${suggestion}`, {
      extensions: { code: 'BAD_USER_INPUT', reason: code, field },
    });
  }
  if (error.retryable) {
    return new GraphQLError('Roasts are not available right now. Please try again in a minute.', {
      extensions: { code: 'TRY_AGAIN_LATER', reason: code },
      originalError: error,
    });
  }
  return error;
}

/** Apollo's `formatError`: what nobody foresaw goes into the log, and the app learns nothing of the inside. */
export function hideUnforeseen(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  if (formatted.extensions?.['code'] !== 'INTERNAL_SERVER_ERROR') return formatted;
  log('unforeseen error', { error: messageOf(unwrapResolverError(error)), path: formatted.path });
  return { ...formatted, message: 'Something went wrong.', extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}
