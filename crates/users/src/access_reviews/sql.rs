//! Statements over reviews. Selects of whole reviews list the columns that `read_review` expects, selects of whole items
//! those of `read_item`.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into access_reviews
           (organization_id, id, name, kinds, on_silence, state, started_by, started_at, due_at, gathered_to)
         values ($1, $2, $3, $4, $5, 'gathering', $6, $7, $8, '')";
    pub(super) INSERT_REVIEWER: Tenant =
        "insert into access_review_reviewers (organization_id, review_id, account_id) values ($1, $2, $3)
         on conflict do nothing";
    pub(super) REVIEWERS: Tenant =
        "select r.account_id, a.email, a.name,
           coalesce((select m.state from memberships m
             where m.organization_id = r.organization_id and m.account_id = r.account_id), ''), a.state
         from access_review_reviewers r join accounts a on a.id = r.account_id
         where r.organization_id = $1 and r.review_id = $2 order by a.email";
    pub(super) FIND: Tenant =
        "select id, name, kinds, on_silence, state, started_by, started_at, due_at, gathered_to, finished_at
         from access_reviews where organization_id = $1 and id = $2";
    pub(super) LIST: Tenant =
        "select id, name, kinds, on_silence, state, started_by, started_at, due_at, gathered_to, finished_at
         from access_reviews where organization_id = $1 and id < $2 order by id desc limit $3";
    pub(super) OPEN_OF: Tenant =
        "select v.id, v.name, v.kinds, v.on_silence, v.state, v.started_by, v.started_at, v.due_at, v.gathered_to,
           v.finished_at
         from access_reviews v
         join access_review_reviewers r on r.organization_id = v.organization_id and r.review_id = v.id
         where v.organization_id = $1 and r.account_id = $2 and v.state = 'open' order by v.due_at, v.id";
    pub(super) COUNT_RUNNING: Tenant =
        "select count(*) from access_reviews
         where organization_id = $1 and state in ('gathering', 'open', 'applying')";
    pub(super) SET_STATE: Tenant =
        "update access_reviews set state = $3 where organization_id = $1 and id = $2 and state = $4";
    pub(super) FINISH: Tenant =
        "update access_reviews set state = 'done', finished_at = $3
         where organization_id = $1 and id = $2 and state = 'applying'";
    pub(super) CANCEL: Tenant =
        "update access_reviews set state = 'cancelled', finished_at = $3
         where organization_id = $1 and id = $2 and state in ('gathering', 'open')";
    pub(super) GATHERED: Tenant =
        "update access_reviews set gathered_to = $3 where organization_id = $1 and id = $2";
    pub(super) DONE: Tenant =
        "select id, name, kinds, on_silence, state, started_by, started_at, due_at, gathered_to, finished_at
         from access_reviews where organization_id = $1 and state = 'done' order by finished_at desc, id desc limit 20";

    pub(super) INSERT_ITEM: Tenant =
        "insert into access_review_items
           (organization_id, review_id, id, account_id, email, kind, target, role, target_name, reason, effect_words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', '')";
    pub(super) ITEM: Tenant =
        "select i.id, i.account_id, i.email, i.kind, i.target, i.role, i.target_name, i.decision, i.reason,
           i.decided_by, a.name, a.email, i.decided_at, i.effect, i.effect_words, i.effect_at, i.verified_at
         from access_review_items i left join accounts a on a.id = i.decided_by
         where i.organization_id = $1 and i.review_id = $2 and i.id = $3";
    /// `$3` null: every decision; `none`: those without one.
    pub(super) ITEMS: Tenant =
        "select i.id, i.account_id, i.email, i.kind, i.target, i.role, i.target_name, i.decision, i.reason,
           i.decided_by, a.name, a.email, i.decided_at, i.effect, i.effect_words, i.effect_at, i.verified_at
         from access_review_items i left join accounts a on a.id = i.decided_by
         where i.organization_id = $1 and i.review_id = $2
           and (coalesce(i.decision, 'none') = $3 or $3 is null) and (i.kind = $4 or $4 is null)
           and i.email >= $5 and i.email < $6 and (i.email > $7 or (i.email = $7 and i.id > $8))
         order by i.email, i.id limit $9";
    pub(super) DECIDE: Tenant =
        "update access_review_items set decision = $4, reason = $5, decided_by = $6, decided_at = $7
         where organization_id = $1 and review_id = $2 and id = $3";
    /// What nobody answered; owners' roles stay open, since only owners decide about owners.
    pub(super) SILENCE: Tenant =
        "update access_review_items set decision = $3, reason = 'nobody answered', decided_at = $4
         where organization_id = $1 and review_id = $2 and decision is null
           and not (kind = 'role' and coalesce(role, '') = 'owner')";
    pub(super) TO_APPLY: Tenant =
        "select i.id, i.account_id, i.email, i.kind, i.target, i.role, i.target_name, i.decision, i.reason,
           i.decided_by, a.name, a.email, i.decided_at, i.effect, i.effect_words, i.effect_at, i.verified_at
         from access_review_items i left join accounts a on a.id = i.decided_by
         where i.organization_id = $1 and i.review_id = $2 and i.decision = 'revoke' and i.effect is null
         order by i.id limit $3";
    pub(super) TO_VERIFY: Tenant =
        "select i.id, i.account_id, i.email, i.kind, i.target, i.role, i.target_name, i.decision, i.reason,
           i.decided_by, a.name, a.email, i.decided_at, i.effect, i.effect_words, i.effect_at, i.verified_at
         from access_review_items i left join accounts a on a.id = i.decided_by
         where i.organization_id = $1 and i.review_id = $2 and i.decision = 'revoke' and i.verified_at is null
           and i.id > $3
         order by i.id limit $4";
    pub(super) EFFECT: Tenant =
        "update access_review_items set effect = $4, effect_words = $5, effect_at = $6
         where organization_id = $1 and review_id = $2 and id = $3";
    pub(super) KEPT: Tenant =
        "update access_review_items set effect = 'kept', effect_at = $3
         where organization_id = $1 and review_id = $2 and decision = 'keep' and effect is null";
    pub(super) VERIFIED: Tenant =
        "update access_review_items set verified_at = $4 where organization_id = $1 and review_id = $2 and id = $3";
    pub(super) COUNTS: Tenant =
        "select count(*),
           sum(case when decision = 'keep' then 1 else 0 end),
           sum(case when decision = 'revoke' then 1 else 0 end),
           sum(case when decision = 'revoke' and decided_by is null then 1 else 0 end),
           sum(case when decision = 'revoke' and verified_at is not null then 1 else 0 end)
         from access_review_items where organization_id = $1 and review_id = $2",
        postgres
        "select count(*),
           cast(sum(case when decision = 'keep' then 1 else 0 end) as bigint),
           cast(sum(case when decision = 'revoke' then 1 else 0 end) as bigint),
           cast(sum(case when decision = 'revoke' and decided_by is null then 1 else 0 end) as bigint),
           cast(sum(case when decision = 'revoke' and verified_at is not null then 1 else 0 end) as bigint)
         from access_review_items where organization_id = $1 and review_id = $2";
    /// What silence leaves as it is.
    pub(super) COUNT_OPEN_OWNERS: Tenant =
        "select count(*) from access_review_items
         where organization_id = $1 and review_id = $2 and decision is null
           and kind = 'role' and coalesce(role, '') = 'owner'";
    /// What a reviewer has yet to answer: everything open that is not their own.
    pub(super) COUNT_LEFT: Tenant =
        "select count(*) from access_review_items
         where organization_id = $1 and review_id = $2 and decision is null and (account_id <> $3 or account_id is null)";

    // ---- what there is to review
    pub(super) GROUPS_OF: Tenant =
        "select g.id, g.name from group_members m
         join groups g on g.organization_id = m.organization_id and g.id = m.group_id
         where m.organization_id = $1 and m.account_id = $2 order by g.name_key";
    pub(super) PRODUCTS_OF: Tenant =
        "select r.id, p.name, r.role from product_members m
         join product_access r on r.organization_id = m.organization_id and r.id = m.access_id
         join products p on p.id = r.product_id
         where m.organization_id = $1 and m.account_id = $2 order by p.name, r.id";
    pub(super) TOKENS: Tenant =
        "select t.id, t.name, t.created_by, coalesce(a.email, '') from api_tokens t
         left join accounts a on a.id = t.created_by
         where t.organization_id = $1 and t.revoked_at is null and t.expires_at > $2 order by t.id";
    pub(super) COUNT_GROUPS: Tenant = "select count(*) from group_members where organization_id = $1";
    pub(super) COUNT_PRODUCTS: Tenant = "select count(*) from product_members where organization_id = $1";
    pub(super) COUNT_TOKENS: Tenant =
        "select count(*) from api_tokens
         where organization_id = $1 and revoked_at is null and expires_at > $2";
}
