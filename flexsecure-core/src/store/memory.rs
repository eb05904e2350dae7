/// A store in the memory of one process.
#[derive(Debug, Default)]
pub struct MemoryStore;
