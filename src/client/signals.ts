/**
 * Many requests may share one signal: it gets a single listener, since Node warns of a leak at the
 * eleventh. The listener goes when the last request of the signal is done.
 */
class SignalListeners {
  private readonly signal: AbortSignal;
  private readonly callbacks = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  add(callback: () => void): void {
    if (this.callbacks.size === 0) this.signal.addEventListener('abort', this.fire);
    this.callbacks.add(callback);
    // It tells nobody any more. Later all the same: whoever comes has not begun yet what is to be aborted.
    if (this.signal.aborted) queueMicrotask(() => this.callbacks.has(callback) && callback());
  }

  remove(callback: () => void): void {
    this.callbacks.delete(callback);
    if (this.callbacks.size === 0) this.signal.removeEventListener('abort', this.fire);
  }

  private readonly fire = (): void => {
    for (const callback of this.callbacks) callback();
  };
}

const known = new WeakMap<AbortSignal, SignalListeners>();

/** Calls back when the signal fires, or if it has fired already, until {@link offAbort}. */
export function onAbort(signal: AbortSignal, callback: () => void): void {
  let listeners = known.get(signal);
  if (listeners === undefined) {
    listeners = new SignalListeners(signal);
    known.set(signal, listeners);
  }
  listeners.add(callback);
}

export function offAbort(signal: AbortSignal, callback: () => void): void {
  known.get(signal)?.remove(callback);
}
