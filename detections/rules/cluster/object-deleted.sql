/*---
id: object-deleted
title: Somebody deleted accounts or rights
techniques: [F11]
status: stable
severity: informational
confidence: high
attack: [T1531]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, verbs: [delete, deletecollection]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A deleted service account, role or binding locks its users out, or hides who had a right an hour ago. It is here to
  be found when something else happened.
blind_spots: >-
  Rights that are taken away by changing an object.
false_positives: >-
  Taking software out; GitOps tools that clear away.
triage:
  - Who used it? The timeline of that account, or decision_reason with the name of the binding, says it.
  - Was it made shortly before? See right-granted-and-revoked.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN verb = 'deletecollection' AND applied THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'deleted', 'delete') || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END
           || thing(resource, NULL, namespace, name) || outcome(applied, response_code, decision, response_message) AS detail
FROM deletions
WHERE resource IN ('serviceaccounts', 'roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
