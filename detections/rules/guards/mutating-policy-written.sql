/*---
id: mutating-policy-written
title: A policy that changes other people's objects was written
techniques: [N23]
status: stable
severity: medium
confidence: medium
attack: [T1546]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A MutatingAdmissionPolicy, a Kyverno rule that mutates or generates, and Gatekeeper's mutators change what others
  store: a container more, another image, another service account. It needs no webhook and no pod of its own.
blind_spots: >-
  What the expression does. A policy that was there before the log begins.
false_positives: >-
  Platform teams that set defaults this way; from a service account (a GitOps tool) it is low.
triage:
  - What does it change, and in whose objects?
  - Was it reviewed where policies are kept?
  - Look at pods created since for what it would add.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, name) || ' (' || tool || ')'
           || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE guard = 'admission' AND verb IN ('create', 'update', 'patch')
  AND (resource IN ('mutatingadmissionpolicies', 'mutatingadmissionpolicybindings', 'mutatingpolicies', 'namespacedmutatingpolicies')
       OR api_group = 'mutations.gatekeeper.sh'
       OR (api_group = 'kyverno.io' AND (contains(request_object, '"mutate"') OR contains(request_object, '"generate"'))))
