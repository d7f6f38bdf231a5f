/*---
id: admission-guard-deleted
title: A policy that decides what may be stored was deleted
techniques: [F02, N20, N23]
status: stable
severity: high
confidence: medium
attack: [T1562.001]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Without the webhook, policy or constraint, what it refused is stored like anything else. Bindings count: a policy
  without its binding decides nothing.
blind_spots: >-
  Policies that are kept and made to decide less, see admission-policy-weakened. A policy engine that is known neither
  by its webhooks nor by its kinds.
false_positives: >-
  Taking a policy engine out on purpose, or moving a policy to another name. From a service account (a GitOps tool
  that clears away) it is medium.
triage:
  - Was it agreed on? Ask whoever did it, by another channel.
  - What was created between the deletion and now that the policy would have refused?
  - Put it back from where it is kept.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, 'deleted', 'delete')
           || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, subresource, namespace, name) || ' (' || tool || ')'
           || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE guard = 'admission' AND verb IN ('delete', 'deletecollection')
