use cairn_storage::layer::ReadOnly;
use cairn_storage::{ByteRange, ErrorKind, PutMode};

use super::*;

#[tokio::test]
async fn it_reads_and_refuses_to_change() {
    let memory = MemoryStorage::new();
    fill(&memory, &["a"]);
    let storage = ReadOnly::new(Arc::new(memory.clone()));
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "bytes");
    assert_eq!(list(&storage).await.unwrap(), ["a"]);
    let put = storage.put(&path("b"), payload("b"), PutMode::Create).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Unsupported);
    let delete = storage.delete(&path("a")).await;
    assert_eq!(delete.unwrap_err().kind(), ErrorKind::Unsupported);
    let capabilities = storage.capabilities();
    assert!(!capabilities.put && !capabilities.delete && capabilities.atomic_create);
    assert_eq!(memory.objects().len(), 1);
}
