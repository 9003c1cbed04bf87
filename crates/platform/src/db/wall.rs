//! The second wall between organizations: PostgreSQL's row-level security.
//!
//! The first wall is the text of every tenant statement, which says `organization_id = $1`. When a join in it forgets to,
//! this one holds: before a tenant statement runs, its transaction is bound to the organization in `$1`, and the policy
//! of every table with an `organization_id` shows and takes rows of that organization alone. Statements declared for more
//! than one organization bind to all. A transaction bound to nothing sees no row.
//!
//! Why so, and what it costs: `docs/decisions/second-wall.md`. SQLite has no such thing; there the first wall stands alone.

use tokio_postgres::{Error as PgError, GenericClient};

use super::statement::{Scope, Statement};
use super::{DbError, Value};

/// Whose rows the statements of a transaction see from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Organization([u8; 16]),
    /// Every organization's: what the scope of a statement must say.
    All,
    /// It reads no table, so whatever the transaction is bound to will do.
    Any,
}

/// What stands between organizations in this store, beside the statements themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecondWall {
    /// SQLite knows no such thing.
    None,
    Stands,
    /// The program signs in as a role that row-level security does not hold.
    Bypassed {
        role: String,
    },
}

/// Binds a transaction to all organizations, for work outside of statements: migrations, moving a store.
pub(super) const BIND_ALL: &str = "set local bailiwick.organization = '*'";

/// Whose rows `statement` may see, given its parameters; refuses a tenant statement without its organization.
pub(super) fn binding(statement: &'static Statement, params: &[Value]) -> Result<Binding, DbError> {
    match statement.scope {
        Scope::Platform | Scope::Housekeeping if statement.names_tables() => Ok(Binding::All),
        Scope::Platform | Scope::Housekeeping => Ok(Binding::Any),
        Scope::Tenant | Scope::TenantAcross => {
            let Some(Value::Blob(id)) = params.first() else { return Err(DbError::NoTenant(statement.name)) };
            let id = id.as_slice().try_into().map_err(|_| DbError::NoTenant(statement.name))?;
            let across = statement.scope == Scope::TenantAcross;
            Ok(if across { Binding::All } else { Binding::Organization(id) })
        }
    }
}

impl Binding {
    /// What binds the transaction, as a text that can be sent ahead of a statement. Hexadecimal: nothing to quote.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::All => Some(BIND_ALL.to_owned()),
            Self::Organization(id) => {
                Some(format!("set local bailiwick.organization = '{}'", hex::encode(id)))
            }
            Self::Any => None,
        }
    }
}

/// The policy's name carries its version: another text needs another name, so that old ones are replaced.
pub const POLICY: &str = "bailiwick_organization_1";

/// Read once per statement, not per row (the inner selects). A `case`, since the planner takes it for one row in two,
/// where it would take the same said with `or` for one in two hundred and choose plans for tiny tables.
const VISIBLE: &str = "case when (select current_setting('bailiwick.organization', true)) = '*' then true
    else organization_id
      = (select decode(nullif(current_setting('bailiwick.organization', true), '*'), 'hex')) end";

/// Tables about organizations on which something is missing, as a quoted name, with our older policies.
const LACKING: &str = "
    select format('%I.%I', n.nspname, c.relname),
      coalesce((select array_agg(p.polname::text) from pg_policy p
        where p.polrelid = c.oid and p.polname like 'bailiwick\\_organization\\_%' and p.polname <> $1), '{}')
    from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
    where c.relkind in ('r', 'p') and n.nspname = current_schema()
      and not (c.relrowsecurity and c.relforcerowsecurity
        and exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = $1)
        and not exists (select 1 from pg_policy p where p.polrelid = c.oid
          and p.polname like 'bailiwick\\_organization\\_%' and p.polname <> $1))
    order by 1";

/// Makes sure that every table with an `organization_id` has the policy and holds its owner to it, too. Runs after the
/// migrations of every start, so that none of them has to remember; locks nothing when nothing is missing.
pub(super) async fn raise(tx: &(impl GenericClient + Sync)) -> Result<usize, PgError> {
    let lacking = tx.query(LACKING, &[&POLICY]).await?;
    for row in &lacking {
        let (table, old): (String, Vec<String>) = (row.get(0), row.get(1));
        for policy in old {
            tx.batch_execute(&format!("drop policy \"{policy}\" on {table}")).await?;
        }
        tx.batch_execute(&format!(
            "alter table {table} enable row level security;
             alter table {table} force row level security;
             drop policy if exists {POLICY} on {table};
             create policy {POLICY} on {table} using ({VISIBLE}) with check ({VISIBLE})"
        ))
        .await?;
    }
    Ok(lacking.len())
}

/// Who the program is, when row-level security does not hold that role.
pub(super) async fn bypassed_by(client: &tokio_postgres::Client) -> Result<Option<String>, PgError> {
    const WHO: &str =
        "select rolname::text from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)";
    Ok(client.query_opt(WHO, &[]).await?.map(|row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Sql;

    #[test]
    fn a_tenant_statement_binds_to_its_first_parameter_and_needs_one() {
        static OF_ONE: Statement = Statement::new("one", Scope::Tenant, Sql::Both("select 1"));
        static ACROSS: Statement = Statement::new("across", Scope::TenantAcross, Sql::Both("select 1"));
        static OF_ALL: Statement = Statement::new("all", Scope::Platform, Sql::Both("delete from a"));
        static OF_NONE: Statement = Statement::new("none", Scope::Platform, Sql::Both("select 1"));
        let id = [7; 16];
        assert_eq!(binding(&OF_ONE, &[id.into()]), Ok(Binding::Organization(id)));
        assert_eq!(binding(&ACROSS, &[id.into()]), Ok(Binding::All));
        assert_eq!(binding(&OF_ALL, &[]), Ok(Binding::All));
        assert_eq!(binding(&OF_NONE, &[]), Ok(Binding::Any));
        for wrong in [vec![], vec![Value::Null], vec![Value::Int(1)], vec![Value::Blob(vec![1, 2])]] {
            assert_eq!(binding(&OF_ONE, &wrong), Err(DbError::NoTenant("one")));
            assert_eq!(binding(&ACROSS, &wrong), Err(DbError::NoTenant("across")));
        }
    }

    #[test]
    fn an_organization_is_spelled_in_hexadecimal() {
        let text = Binding::Organization([0xa7; 16]).text();
        assert_eq!(text, Some(format!("set local bailiwick.organization = '{}'", "a7".repeat(16))));
    }
}
