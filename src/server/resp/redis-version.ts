/** Which Redis the commands, their replies and their errors are those of; clients look at it. */
export const REDIS_VERSION = '7.0.15';
