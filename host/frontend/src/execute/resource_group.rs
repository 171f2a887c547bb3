//! CREATE and DROP RESOURCE GROUP: objects of the catalog, without effect on queries.

use cairn_sql::statement::CreateResourceGroup;
use cairn_warehouse::ddl::ResourceGroupDefinition;

use super::{definition, done};
use crate::account::privilege::Action;
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

pub(super) const CREATE_RESOURCE_GROUP: &str = "CREATE RESOURCE GROUP";

pub(super) async fn create(
    session: &Session,
    statement: CreateResourceGroup,
) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::system(CREATE_RESOURCE_GROUP))?;
    let CreateResourceGroup { name, classifiers, properties } = statement;
    let properties = definition::properties(properties);
    let definition = ResourceGroupDefinition { name, classifiers, properties };
    let made = warehouse.create_resource_group(definition).await;
    made.map_err(refusal::of_warehouse)?;
    Ok(done())
}

/// Privileges know no single groups here: who may make them may drop them.
pub(super) async fn drop(session: &Session, name: String) -> Result<Answer, SqlError> {
    let warehouse = &session.frontend.warehouse;
    session.require(&warehouse.catalog(), Action::system(CREATE_RESOURCE_GROUP))?;
    warehouse.drop_resource_group(&name).await.map_err(refusal::of_warehouse)?;
    Ok(done())
}
