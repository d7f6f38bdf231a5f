/*---
id: many-secrets-read
title: One identity read many different secrets
techniques: [B06, B01, B08]
status: stable
severity: high
confidence: medium
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [secrets], verbs: [get, list]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_names:
    default: 5
    why: Different secret names within ten minutes before and after.
  least_lists:
    default: 3
    why: Namespaces listed whole within ten minutes before and after.
why: >-
  An application reads its own secrets. Somebody who reads one after another, or one namespace after another,
  collects them.
blind_spots: >-
  Reading slower than the threshold. A secret of the same name in every namespace counts once, because
  controllers that copy one secret everywhere do that.
false_positives: >-
  Secret synchronisers and backup tools; a node that starts many pods at once is left out, because the node
  authorizer limits what it can read.
triage:
  - Does this identity's software need all of these?
  - 'Compare with the day before: is this new?'
  - Rotate them if the answer is no.
---*/
WITH reads AS (
    SELECT *,
           -- Releases of one Helm chart are one secret in many versions; a list is everything in its namespace.
           CASE verb WHEN 'list' THEN 'all of ' || namespace
                ELSE regexp_replace(name, '^sh\.helm\.release\.v1\.(.*)\.v[0-9]+$', '\1') END AS what
    FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND verb IN ('get', 'list') AND succeeded(response_code)
      AND namespace IS NOT NULL
      -- A list by label returns what matches, not the namespace.
      AND NOT (verb = 'list' AND (len(query_values(request_uri, 'labelSelector')) > 0 OR name IS NOT NULL))
      AND (impersonated_user_name IS NOT NULL OR NOT (
          is_control_plane(user_name, user_groups, source_ip) OR is_node(user_name, user_groups)
          OR is_built_in_controller(service_account_namespace, service_account_name)))
),
bursts AS (
    SELECT *,
           count(DISTINCT what) FILTER (WHERE verb = 'get') OVER near AS names,
           count(DISTINCT what) FILTER (WHERE verb = 'list') OVER near AS lists
    FROM reads
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip ORDER BY request_received_at
                    RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       'read ' || CASE verb WHEN 'list' THEN what ELSE namespace || '/' || name END AS detail
FROM bursts
WHERE names >= $least_names OR lists >= $least_lists
