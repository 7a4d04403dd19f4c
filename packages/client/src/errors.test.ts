import { errorCatalogue } from '@pet-roast/shared';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { createError, NoPetsDetectedError, PetRoastError, RenderFailedError, UnavailableError } from './errors.ts';

/** Codes on which no caller branches. */
const plain = [
  'not_found',
  'job_already_over',
  'job_not_over',
  'internal',
  'letter_not_found',
  'not_replayable',
  'second_payment_possible',
];

describe('an error', () => {
  it('has a class of its own for every code of the catalogue, but for those on which no caller branches', () => {
    const without = Object.keys(errorCatalogue).filter(
      (code) => createError(code, { message: '' }).name === 'PetRoastError',
    );
    expect(without.toSorted()).toEqual(plain.toSorted());
  });

  it('of a code that is not known is a plain PetRoastError that says the code', () => {
    const error = createError('full_moon', { message: 'Not tonight.', status: 418 });
    expect(error.constructor).toBe(PetRoastError);
    expect(error).toMatchObject({ name: 'PetRoastError', code: 'full_moon', status: 418, retryable: false });
  });

  it('is an Error with the name of its class', () => {
    const error = createError('no_pets_detected', { message: 'None.' });
    expect(error).toBeInstanceOf(NoPetsDetectedError);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('NoPetsDetectedError: None.');
  });

  it('is retryable where the service or the network may come back, and a failed job is not', () => {
    const codes = [
      'unauthorized',
      'rate_limited',
      'too_many_jobs',
      'overloaded',
      'unavailable',
      'network_error',
      'timeout',
      'render_failed',
      'internal',
      'invalid_field',
    ];
    const retryable = codes.filter((code) => createError(code, { message: '' }).retryable);
    expect(retryable).toEqual([
      'rate_limited',
      'too_many_jobs',
      'overloaded',
      'unavailable',
      'network_error',
      'timeout',
    ]);
  });

  it('keeps its other classes apart in TypeScript after an instanceof', () => {
    const error: PetRoastError = createError('render_failed', { message: '' });
    if (error instanceof NoPetsDetectedError || error instanceof UnavailableError) throw error;
    expectTypeOf(error).toEqualTypeOf<PetRoastError>();
    expect(error instanceof RenderFailedError).toBe(true);
  });
});
