//! Resource groups: kept and shown, without effect on queries.

use crate::catalog::model::{Id, ResourceGroupRow};
use crate::{Error, ErrorKind, Result, Subject, Warehouse};

use super::definition::ResourceGroupDefinition;
use super::name;

impl Warehouse {
    /// Makes a resource group.
    pub async fn create_resource_group(&self, definition: ResourceGroupDefinition) -> Result<Id> {
        name::check_common("resource group", &definition.name)?;
        self.transact(move |transaction| {
            let id = transaction.next_id()?;
            let ResourceGroupDefinition { name, classifiers, properties } = definition;
            transaction.put_resource_group(ResourceGroupRow {
                id,
                name,
                classifiers,
                properties,
            })?;
            Ok(id)
        })
        .await
    }

    /// Drops a resource group.
    pub async fn drop_resource_group(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.transact(move |transaction| {
            let Some(id) = transaction.catalog().resource_group(&name).map(|group| group.id) else {
                let message = format!("resource_group({name}) does not exist");
                return Err(Error::new(ErrorKind::NotFound, message).about(Subject::ResourceGroup));
            };
            transaction.remove_resource_group(id);
            Ok(())
        })
        .await
    }
}
