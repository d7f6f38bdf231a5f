/*---
id: service-account-token-unbound
title: A service account left its pods
techniques: [N03]
status: stable
severity: medium
confidence: medium
attack: [T1550.001]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  The token that a kubelet gives to a pod names the pod. When a service account that was only ever used from pods shows
  a token that names none, somebody made a token for it, by a secret or a token request.
blind_spots: >-
  Service accounts that were used with both kinds within the last week. A request for a token may name a pod that is there.
false_positives: >-
  A new CI job that was given a token of a service account which a pod uses as well.
triage:
  - Who made the token? Look for its id in minted-token-used, and for secrets of the type service-account-token.
  - Does it come from a pod's address?
  - What did it do?
---*/
WITH known AS (
    SELECT *, min(first_at) FILTER (pod_uid IS NULL) OVER account AS unbound_at, min(first_at) OVER account AS known_at
    FROM appearances WHERE service_account_name IS NOT NULL
    WINDOW account AS (PARTITION BY cluster, user_name)
)
SELECT cluster, event_id, first_at AS request_received_at, user_name, source_ip,
       user_name || ' used ' || coalesce(credential_id, 'a token without an id') || ', which is bound to no pod, for the first time' AS detail
FROM known
WHERE pod_uid IS NULL AND first_at = unbound_at AND unbound_at >= known_at + INTERVAL 7 DAY
