/*---
id: legacy-token-used
title: A service account used a token of the old kind
techniques: [N05]
status: stable
severity: medium
confidence: medium
attack: [T1528]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata}
window: 1d
entity: [user_name, source_ip]
why: >-
  Tokens in secrets have no end and belong to no pod. Who may make a secret in a namespace can have one for each of
  its service accounts; it is a favourite of those who want to stay.
blind_spots: >-
  In a cluster whose version gives no ids to tokens (before 1.32 or so) only those that the kube-apiserver itself marks.
false_positives: >-
  Old CI and monitoring that was given such a token years ago. Replace it.
triage:
  - Which secret is it? Look for secrets of the type kubernetes.io/service-account-token of that service account, and who made them.
  - Is the address that of software you know?
  - Delete the secret; the token ends at once.
---*/
WITH modern AS (
    -- A version that gives ids to tokens gives them to all but the old kind.
    SELECT DISTINCT cluster FROM appearances WHERE service_account_name IS NOT NULL AND starts_with(credential_id, 'JTI=')
),
candidates AS (
    SELECT cluster, event_id, request_received_at, user_name, source_ip, service_account_namespace, service_account_name,
           coalesce(contains(annotations, 'legacy-token'), false) AS marked, coalesce(contains(annotations, 'stale-token'), false) AS stale, credential_id
    FROM requests
    WHERE service_account_name IS NOT NULL AND (credential_id IS NULL OR contains(annotations, 'stale-token'))
)
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       CASE WHEN stale AND NOT marked AND credential_id IS NOT NULL THEN 'low'
            WHEN is_built_in_controller(service_account_namespace, service_account_name) THEN 'high' END AS severity,
       user_name || CASE WHEN stale AND credential_id IS NOT NULL THEN ' used a token after its end, which is accepted for a while' ELSE ' used a token of the old kind, which has no end' END
           || ', from ' || source_ip AS detail
FROM candidates
WHERE marked OR stale OR EXISTS (SELECT 1 FROM modern AS m WHERE m.cluster = candidates.cluster)
