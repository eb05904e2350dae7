use tokio::sync::watch;

/// Says when the server is to stop, to whoever would keep it from stopping.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<bool>);

/// Stops the server, also by being dropped: then nobody serves any more.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stopping {
    pub(crate) fn new() -> (Stop, Self) {
        let (stop, stopping) = watch::channel(false);
        (Stop(stop), Self(stopping))
    }

    pub(crate) async fn begun(&mut self) {
        let _begun = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Stop {
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }
}
