/*---
id: secrets-listed-cluster-wide
title: Every secret of the cluster was read at once
techniques: [B04]
status: stable
severity: critical
confidence: high
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [secrets], verbs: [list]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  One list without a namespace returns the value of every secret in the cluster.
blind_spots: >-
  Reading namespace by namespace (many-secrets-read) or by watching (secrets-watched). A service account that
  keeps an informer is low here, so somebody who holds such a token and behaves like its controller is too.
false_positives: >-
  Backup tools and secret synchronisers that list without watching. Controllers that keep an informer (list
  from the cache, then watch, with one credential from one address) are shown as low.
triage:
  - 'Is it a person? Nobody needs every secret: ask, then rotate.'
  - Is it a service account, and does its software need all of them? Narrow its role.
  - Did it happen from the address where this identity usually works?
---*/
WITH lists AS (
    SELECT * FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND verb = 'list' AND namespace IS NULL AND succeeded(response_code)
      AND (impersonated_user_name IS NOT NULL OR NOT (
          is_control_plane(user_name, user_groups, source_ip)
          OR is_built_in_controller(service_account_namespace, service_account_name)))
),
watches AS (
    SELECT cluster, user_name, source_ip, credential_id, request_received_at FROM requests
    WHERE resource = 'secrets' AND verb = 'watch' AND namespace IS NULL AND succeeded(response_code)
      AND service_account_name IS NOT NULL
)
SELECT l.cluster, l.event_id, l.request_received_at, l.user_name, l.impersonated_user_name, l.source_ip,
       CASE WHEN informer THEN 'low' END AS severity,
       actor(l.user_name, l.impersonated_user_name) || ' listed all secrets of the cluster'
           || CASE WHEN informer THEN ' and watched them afterwards, as an informer does' ELSE '' END AS detail
FROM (
    SELECT *, service_account_name IS NOT NULL AND query_values(request_uri, 'resourceVersion') = ['0'] AND EXISTS (
        SELECT 1 FROM watches AS w
        WHERE w.cluster = lists.cluster AND w.user_name = lists.user_name AND w.source_ip = lists.source_ip
          AND w.credential_id IS NOT DISTINCT FROM lists.credential_id
          AND w.request_received_at BETWEEN lists.request_received_at AND lists.request_received_at + INTERVAL 5 MINUTES
    ) AS informer
    FROM lists
) AS l
