//! `bailiwick access`: what can be asked for, requests and their decisions, approved domains.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct Access {
    #[command(subcommand)]
    command: AccessCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

/// Who decides about an offer, how fast, and for how long access is given.
#[derive(Args)]
struct Terms {
    /// The name of a group that decides beside those who manage people
    #[arg(long)]
    approvers: Option<String>,
    /// How many people must approve: 1 or 2
    #[arg(long)]
    approvals: Option<u32>,
    /// The longest time in days
    #[arg(long)]
    days_max: Option<u32>,
    /// Within how many hours a request should be decided
    #[arg(long)]
    hours_to_decide: Option<u32>,
}

#[derive(Subcommand)]
enum AccessCommand {
    /// Let members ask for a group, a product or a role
    Offer {
        /// The name of a group
        #[arg(long, conflicts_with_all = ["product_rule", "role"])]
        group: Option<String>,
        /// The rule of a product, as `product-rules` lists it
        #[arg(long, conflicts_with = "role")]
        product_rule: Option<String>,
        /// auditor or admin
        #[arg(long)]
        role: Option<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// What members may ask for
    Offers,
    /// Change the terms of an offer; what is not said stays
    SetOffer {
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// End an offer; what was granted stays until its end
    EndOffer { id: String },
    /// Rules by which people of the organization may use products
    ProductRules,
    /// Requests for access, the newest first
    Requests {
        /// waiting, granted, refused, withdrawn, lapsed or ended
        #[arg(long, default_value = "")]
        state: String,
    },
    /// One request with its decisions
    Show { id: String },
    /// Ask for an offer
    Ask {
        offer: String,
        #[arg(long)]
        reason: String,
        /// For how many days
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// Who asks; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Approve a request of somebody else
    Approve {
        id: String,
        #[arg(long, default_value = "")]
        words: String,
        /// Who decides; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Refuse a request of somebody else
    Refuse {
        id: String,
        #[arg(long, default_value = "")]
        words: String,
        /// Who decides; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Take an own request back, or give back what was granted
    Withdraw {
        id: String,
        /// Whose request it is; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Take away at once what was granted
    End { id: String },
    /// Mail domains whose people may join, or ask to
    Domains,
    /// Approve a mail domain, or change what its people may do
    ApproveDomain {
        name: String,
        /// join: they join by themselves; ask: they ask
        #[arg(long, default_value = "ask")]
        mode: String,
        /// Anybody can get a mailbox there, and this is meant
        #[arg(long)]
        accept_public: bool,
    },
    /// Close a mail domain; whoever joined stays
    CloseDomain { name: String },
    /// Join the organization by the domain of an address
    Join {
        /// Who joins; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Ask to join the organization by the domain of an address
    AskToJoin {
        #[arg(long)]
        reason: String,
        /// For how many days; 0: for good
        #[arg(long, default_value_t = 0)]
        days: u32,
        /// Who asks; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Take a request to join back
    WithdrawJoin {
        /// Whose request it is; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
}

async fn group(client: &Client, base: &str, name: &str) -> Result<Value, CliError> {
    let wanted = name.to_lowercase();
    let all = client.all(&format!("{base}/groups")).await?;
    let found = all.iter().find(|group| {
        group["id"] == name || group["name"].as_str().unwrap_or_default().to_lowercase() == wanted
    });
    found
        .map(|group| group["id"].clone())
        .ok_or_else(|| CliError::Failed(format!("the organization has no group `{name}`")))
}

impl Terms {
    /// What was said, as the API takes it.
    async fn body(self, client: &Client, base: &str) -> Result<Map<String, Value>, CliError> {
        let mut body = Map::new();
        if let Some(name) = &self.approvers {
            body.insert("approvers".to_owned(), group(client, base, name).await?);
        }
        let numbers = [
            ("approvals", self.approvals),
            ("days_max", self.days_max),
            ("hours_to_decide", self.hours_to_decide),
        ];
        for (name, value) in numbers {
            body.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        Ok(body)
    }
}

async fn offers(command: AccessCommand, client: &Client, base: &str) -> Result<Value, CliError> {
    let all = format!("{base}/access-offers");
    match command {
        AccessCommand::Offer { group: name, product_rule, role, terms } => {
            let mut body = terms.body(client, base).await?;
            if let Some(name) = name {
                body.insert("group".to_owned(), group(client, base, &name).await?);
            }
            body.extend(product_rule.map(|rule| ("product_rule".to_owned(), json!(rule))));
            body.extend(role.map(|role| ("role".to_owned(), json!(role))));
            client.post(&all, Value::Object(body)).await
        }
        AccessCommand::SetOffer { id, terms } => {
            let one = format!("{all}/{id}");
            let stands = client.get(&one).await?;
            let mut body = Map::new();
            for name in ["approvers", "approvals", "days_max", "hours_to_decide"] {
                body.insert(name.to_owned(), stands[name].clone());
            }
            body.extend(terms.body(client, base).await?);
            client.patch(&one, Value::Object(body)).await
        }
        AccessCommand::EndOffer { id } => client.delete(&format!("{all}/{id}")).await.map(|()| Value::Null),
        AccessCommand::ProductRules => client.get(&format!("{base}/product-rules")).await,
        _ => client.all(&all).await.map(Value::Array),
    }
}

async fn requests(command: AccessCommand, client: &Client, base: &str) -> Result<Value, CliError> {
    let all = format!("{base}/access-requests");
    let decide = |id: String, approve: bool, words: String, email: Option<String>| {
        let path = format!("{all}/{id}/decision");
        async move { client.post(&path, json!({ "approve": approve, "words": words, "email": email })).await }
    };
    match command {
        AccessCommand::Show { id } => client.get(&format!("{all}/{id}")).await,
        AccessCommand::Ask { offer, reason, days, email } => {
            let body = json!({ "offer": offer, "reason": reason, "days": days, "email": email });
            client.post(&all, body).await
        }
        AccessCommand::Approve { id, words, email } => decide(id, true, words, email).await,
        AccessCommand::Refuse { id, words, email } => decide(id, false, words, email).await,
        AccessCommand::Withdraw { id, email } => {
            client.post(&format!("{all}/{id}/withdrawal"), json!({ "email": email })).await
        }
        AccessCommand::End { id } => client.post(&format!("{all}/{id}/end"), json!({})).await,
        AccessCommand::Requests { state } => {
            let path = if state.is_empty() { all } else { format!("{all}?state={state}") };
            client.all(&path).await.map(Value::Array)
        }
        _ => client.all(&all).await.map(Value::Array),
    }
}

async fn domains(
    command: AccessCommand,
    client: &Client,
    (base, slug): (&str, &str),
) -> Result<Value, CliError> {
    const OPENINGS: &str = "/api/v1/account/openings";
    let all = format!("{base}/approved-domains");
    match command {
        AccessCommand::ApproveDomain { name, mode, accept_public } => {
            let body = json!({ "domain": name, "mode": mode, "accept_public": accept_public });
            client.post(&all, body).await
        }
        AccessCommand::CloseDomain { name } => {
            client.delete(&format!("{all}/{name}")).await.map(|()| Value::Null)
        }
        AccessCommand::Join { email } => {
            let body = json!({ "organization": slug, "email": email });
            client.post(&format!("{OPENINGS}/join"), body).await
        }
        AccessCommand::AskToJoin { reason, days, email } => {
            let body = json!({ "organization": slug, "reason": reason, "days": days, "email": email });
            client.post(&format!("{OPENINGS}/ask"), body).await
        }
        AccessCommand::WithdrawJoin { email } => {
            let body = json!({ "organization": slug, "email": email });
            client.post(&format!("{OPENINGS}/withdraw"), body).await
        }
        _ => client.get(&all).await,
    }
}

impl Access {
    pub fn run(self) -> Result<(), CliError> {
        use AccessCommand as C;
        let Self { command, organization, target } = self;
        let slug = need(&organization, "organization")?.to_owned();
        let base = format!("/api/v1/organizations/{slug}");
        let columns: &[&str] = match &command {
            C::Offers => &["id", "name", "approvers_name", "approvals", "days_max", "hours_to_decide"],
            C::ProductRules => &["id", "product", "role", "active"],
            C::Domains => &["domain", "mode", "public", "approved_by", "approved_at"],
            _ => &["id", "what", "email", "state", "due_at", "expires_at"],
        };
        let work = async |client: &Client| match command {
            C::Offer { .. } | C::Offers | C::SetOffer { .. } | C::EndOffer { .. } | C::ProductRules => {
                offers(command, client, &base).await
            }
            C::Domains
            | C::ApproveDomain { .. }
            | C::CloseDomain { .. }
            | C::Join { .. }
            | C::AskToJoin { .. }
            | C::WithdrawJoin { .. } => domains(command, client, (&base, &slug)).await,
            _ => requests(command, client, &base).await,
        };
        with_client(&target, work, columns)
    }
}
