/*---
id: runtime-sensor-changed
title: What a runtime sensor watches was taken back
techniques: [N20]
status: stable
severity: high
confidence: medium
attack: [T1562.001]
layer: cluster
control: detection
practice: runtime
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Tetragon, Tracee, KubeArmor, the operator of Falco, Kubescape and the Security Profiles Operator keep what they watch
  and what they block as objects of the cluster. Without the object the sensor runs on and reports nothing.
blind_spots: >-
  Sensors that read their rules from a ConfigMap or an image. A changed rule text: that it changed is seen, what it
  means is not.
false_positives: >-
  New versions of the rules by whoever keeps them; those are low, deletions by a service account medium.
triage:
  - What does the sensor no longer see?
  - Was the change made where the rules are kept (a repository), or by hand in the cluster?
  - Put it back, and look at the same hours in this log.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN softened THEN 'high'
            WHEN verb IN ('update', 'patch') THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN verb IN ('update', 'patch') THEN 'changed' ELSE 'deleted' END,
           CASE WHEN verb IN ('update', 'patch') THEN 'change' ELSE 'delete' END)
           || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, subresource, namespace, name) || ' (' || tool || ')'
           || CASE WHEN softened THEN ', which now only audits' ELSE '' END || outcome(applied, response_code, decision, response_message) AS detail
FROM (
    SELECT *, verb IN ('update', 'patch') AND coalesce(
               lower(coalesce(json_extract_string(request_object, '$.spec.action'), json_extract_string(request_object, '$[0].value'))) IN ('audit', 'allow'), false) AS softened
    FROM guard_changes
    WHERE guard = 'runtime' AND (verb IN ('delete', 'deletecollection') OR (verb IN ('update', 'patch') AND response_code IS DISTINCT FROM 201))
)
WHERE verb IN ('delete', 'deletecollection') OR impersonated_user_name IS NOT NULL OR service_account_name IS NULL
