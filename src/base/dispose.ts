/** `Symbol.asyncDispose`, which Node 20 has and its type of the library declares only with ESNext. */
export const AsyncDisposeSymbol: typeof Symbol.asyncDispose = Symbol.asyncDispose;
