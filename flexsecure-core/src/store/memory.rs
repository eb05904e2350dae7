use super::*;
/// A store in the memory of one process.
#[derive(Debug, Default)]
pub struct MemoryStore;
#[async_trait]
impl Store for MemoryStore {
    async fn elevations(&self, _: &SessionKey) -> Result<Option<Arc<Elevations>>, StoreError> {
        Err(StoreError::Full)
    }
    async fn open(&self, _: FlowRecord, _: Timestamp) -> Result<Opened, StoreError> {
        Err(StoreError::Full)
    }
    async fn flow(&self, _: &SessionKey, _: &FlowId) -> Result<Option<FlowRecord>, StoreError> {
        Err(StoreError::Full)
    }
    async fn swap(
        &self,
        _: FlowRecord,
        _: Option<Elevation>,
        _: Timestamp,
    ) -> Result<Swap, StoreError> {
        Err(StoreError::Full)
    }
    async fn consume(&self, _: &SessionKey, _: &FlowId, _: Timestamp) -> Result<bool, StoreError> {
        Err(StoreError::Full)
    }
    async fn admit_start(&self, _: &StartTicket, _: Timestamp) -> Result<Admission, StoreError> {
        Err(StoreError::Full)
    }
    async fn release_start(&self, _: &StartTicket) -> Result<(), StoreError> {
        Err(StoreError::Full)
    }
    async fn revoke_session(&self, _: &SessionKey) -> Result<(), StoreError> {
        Err(StoreError::Full)
    }
    async fn revoke_user(&self, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Full)
    }
}
