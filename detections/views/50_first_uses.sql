-- What baselines have learnt of the events that this connection need not see: one row per fact, as in seen_facts.
-- Empty unless detections.baseline.register filled it before.
CREATE TEMP TABLE IF NOT EXISTS learnt_facts (
    cluster VARCHAR, user_name VARCHAR, impersonated_user_name VARCHAR, service_account_namespace VARCHAR,
    service_account_name VARCHAR, fact_kind VARCHAR, fact VARCHAR, event_id VARCHAR, request_received_at TIMESTAMPTZ,
    source_ip VARCHAR, last_seen TIMESTAMPTZ, requests BIGINT
);

-- The product a client says it is: the first word of the user agent, without its version.
CREATE MACRO agent_of(user_agent) AS regexp_extract(user_agent, '^[^/ (]*');

-- Who does what from where with what, one row per combination and cluster, with the first and last event of
-- each: what baselines are learnt from.
-- Over events, not requests, so that it adds up: whatever part of the log is looked at first, the earliest of the
-- earliest is the earliest. RequestReceived is left out: whom the request acts as is not known then. ended: how many
-- requests have ended; a watch that is still open has begun and counts 0.
CREATE VIEW activity AS
SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, source_ip,
       agent_of(user_agent) AS agent, credential_id, pod_name, node_name, verb, resource, subresource, namespace,
       CASE WHEN resource = 'secrets' OR subresource = 'proxy' THEN name END AS name,
       coalesce(succeeded(response_code), false) AS succeeded,
       min({moment: coalesce(request_received_at, stage_at), event_id: event_id, source_ip: source_ip}) AS first_use,
       max(coalesce(request_received_at, stage_at)) AS last_at, count(*) FILTER (stage <> 'ResponseStarted') AS ended
FROM events
WHERE stage <> 'RequestReceived' AND user_name IS NOT NULL AND NOT coalesce(list_contains(user_groups, 'system:unauthenticated'), false)
GROUP BY ALL;

-- What one use says about a principal, as {kind, fact}; a fact may be null.
CREATE MACRO facts_of(user_name, source_ip, agent, credential_id, verb, resource, subresource, namespace, name, succeeded) AS [
    {kind: 'principal', fact: user_name},
    {kind: 'source_ip', fact: source_ip},
    {kind: 'user_agent', fact: agent},
    {kind: 'credential_id', fact: credential_id},
    {kind: 'verb_resource', fact: verb || ' ' || resource || coalesce('/' || subresource, '')},
    {kind: 'namespace', fact: namespace},
    {kind: 'secret', fact: CASE WHEN resource = 'secrets' AND verb IN ('get', 'list', 'watch') AND succeeded
                                THEN coalesce(namespace, '*') || '/' || coalesce(name, '*') END},
    {kind: 'proxy_target', fact: CASE WHEN subresource = 'proxy' THEN resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') END}
];

-- One row per principal (user, and whom it acted as) and fact in the events of this connection, by kind of fact:
-- principal (itself), source_ip, user_agent (product), credential_id, verb_resource ('get secrets',
-- 'create pods/exec'), namespace, secret ('namespace/name' read with success), proxy_target.
CREATE VIEW seen_facts AS
SELECT a.cluster, a.user_name, a.impersonated_user_name, a.service_account_namespace, a.service_account_name,
       f.kind AS fact_kind, f.fact AS fact, min(a.first_use) AS first_use, max(a.last_at) AS last_seen, sum(a.ended)::BIGINT AS requests
FROM activity AS a,
     unnest(facts_of(a.user_name, a.source_ip, a.agent, a.credential_id, a.verb, a.resource, a.subresource, a.namespace, a.name, a.succeeded)) AS t(f)
WHERE f.fact IS NOT NULL
GROUP BY ALL;

-- The first time each principal is seen with a fact: of what was learnt and what this connection sees together, which
-- is the same as of the whole history. event_id, request_received_at and source_ip are those of that first use;
-- last_seen is the latest. cluster_known_for and principal_known_for say how much log there was before, of the cluster
-- and of that principal: without enough of it, "first" means nothing. A rule that reads first_uses states under needs
-- how much history it wants; where a baseline is stored, nothing more is read for it.
CREATE VIEW first_uses AS
WITH facts AS (
    SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact, first_use, last_seen
    FROM seen_facts
    UNION ALL
    SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact,
           {moment: request_received_at, event_id: event_id, source_ip: source_ip}, last_seen
    FROM learnt_facts
),
firsts AS (
    SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact,
           min(first_use) AS first_use, max(last_seen) AS last_seen
    FROM facts
    GROUP BY ALL
)
SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact,
       first_use.event_id AS event_id, first_use.moment AS request_received_at, first_use.source_ip AS source_ip, last_seen,
       first_use.moment - min(first_use.moment) OVER (PARTITION BY cluster) AS cluster_known_for,
       first_use.moment - min(first_use.moment) OVER (PARTITION BY cluster, user_name, impersonated_user_name) AS principal_known_for
FROM firsts;
