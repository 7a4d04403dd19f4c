/**
 * Loaded into each service by the soak (`--import`): SIGUSR2 collects the garbage. What is then left is what the process
 * holds. Without that, at a low load, a service goes five minutes between two collections of its old objects, its RSS swings
 * by a factor of two in the meantime, and a leak hides in the swing.
 */
process.on('SIGUSR2', () => globalThis.gc?.());
