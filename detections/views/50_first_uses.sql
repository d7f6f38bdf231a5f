-- Who does what from where with what, one row per combination and cluster, with the first and last request of
-- each: what baselines are learnt from. agent: the first word of the user agent, without its version.
CREATE VIEW activity AS
SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, source_ip,
       regexp_extract(user_agent, '^[^/ (]*') AS agent, credential_id, pod_name, node_name, verb, resource, subresource, namespace,
       CASE WHEN resource IN ('secrets', 'serviceaccounts') OR subresource = 'proxy' THEN name END AS name,
       coalesce(succeeded(response_code), false) AS succeeded,
       arg_min(event_id, (request_received_at, event_id)) AS event_id, min(request_received_at) AS first_at,
       max(request_received_at) AS last_at, count(*) AS requests
FROM requests
WHERE request_received_at IS NOT NULL AND user_name IS NOT NULL AND NOT coalesce(list_contains(user_groups, 'system:unauthenticated'), false)
GROUP BY ALL;

-- The first time each principal (user, and whom it acted as) is seen with a fact, by kind of fact:
-- principal (itself), source_ip, user_agent (product), credential_id, verb_resource ('get secrets',
-- 'create pods/exec'), namespace, secret ('namespace/name' read with success), proxy_target.
-- cluster_known_for and principal_known_for say how much log there was before, of the cluster and of that
-- principal: without enough of it, "first" means nothing.
CREATE VIEW first_uses AS
WITH facts AS (
    SELECT a.*, f.kind AS fact_kind, f.fact
    FROM activity AS a, unnest([
        {kind: 'principal', fact: a.user_name},
        {kind: 'source_ip', fact: a.source_ip},
        {kind: 'user_agent', fact: a.agent},
        {kind: 'credential_id', fact: a.credential_id},
        {kind: 'verb_resource', fact: a.verb || ' ' || a.resource || coalesce('/' || a.subresource, '')},
        {kind: 'namespace', fact: a.namespace},
        {kind: 'secret', fact: CASE WHEN a.resource = 'secrets' AND a.verb IN ('get', 'list', 'watch') AND a.succeeded
                                    THEN coalesce(a.namespace, '*') || '/' || coalesce(a.name, '*') END},
        {kind: 'proxy_target', fact: CASE WHEN a.subresource = 'proxy' THEN a.resource || ' ' || coalesce(a.namespace || '/', '') || coalesce(a.name, '') END}
    ]) AS t(f)
    WHERE f.fact IS NOT NULL
),
firsts AS (
    SELECT cluster, user_name, impersonated_user_name, service_account_namespace, service_account_name, fact_kind, fact,
           arg_min(event_id, (first_at, event_id)) AS event_id, min(first_at) AS request_received_at,
           arg_min(source_ip, (first_at, event_id)) AS source_ip, sum(requests)::BIGINT AS requests
    FROM facts
    GROUP BY ALL
)
SELECT *,
       request_received_at - min(request_received_at) OVER (PARTITION BY cluster) AS cluster_known_for,
       request_received_at - min(request_received_at) OVER (PARTITION BY cluster, user_name, impersonated_user_name) AS principal_known_for
FROM firsts;
