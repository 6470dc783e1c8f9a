/** Some answers end a feed for good, such as one that a proxy gave meanwhile. */
const AGAIN_MS = 2_000;

/**
 * What the store tells once a second. A browser has six connections for one server, and a page that
 * listens holds one of them: so a page that nobody sees lets go of it as soon as another one is
 * looked at, and listens again when it is seen. `lost` is told when the connection
 * breaks, and whether somebody is there who refuses it.
 */
export function startFeed({ owners, moment, lost }) {
  const pages = new BroadcastChannel('ringlet-pages');
  let events;
  let timer;

  const leave = () => {
    clearTimeout(timer);
    events?.close();
    events = undefined;
  };
  const listen = () => {
    leave();
    const feed = new EventSource('/admin/events');
    events = feed;
    feed.addEventListener('owners', ({ data }) => owners(JSON.parse(data)));
    feed.addEventListener('moment', ({ data }) => moment(JSON.parse(data)));
    feed.addEventListener('error', () => {
      const isRefused = feed.readyState === EventSource.CLOSED;
      lost(isRefused);
      if (isRefused) timer = setTimeout(listen, AGAIN_MS);
    });
  };
  const seen = () => {
    if (document.hidden) return;
    pages.postMessage('seen');
    if (events === undefined) listen();
  };

  pages.addEventListener('message', () => {
    if (document.hidden) leave();
  });
  document.addEventListener('visibilitychange', seen);
  // A page that the browser kept when it was left, and shows again, has lost its connection.
  addEventListener('pagehide', leave);
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) seen();
  });
  // A page that is opened behind others waits until it is looked at.
  seen();
}
