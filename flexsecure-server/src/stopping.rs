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

    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl Stop {
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_begins_when_told_or_when_nobody_is_left_to_tell() {
        let (stop, mut stopping) = Stopping::new();
        assert!(!stopping.has_begun());
        stop.now();
        assert!(stopping.has_begun());
        stopping.begun().await;

        let (stop, mut stopping) = Stopping::new();
        drop(stop);
        assert!(stopping.has_begun());
        stopping.begun().await;
    }
}
