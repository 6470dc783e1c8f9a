/**
 * What Piscina loads. It requires its file, and Node ends the whole process when a thread is ended, as by
 * `process.exit()` of the program, while it requires an ES module. Not so while it imports one.
 */
const loaded = import('./worker.js');

module.exports = async (task: never): Promise<void> => (await loaded).default(task);
