/*---
id: network-policy-removed
title: A network policy was deleted
techniques: [F10]
status: stable
severity: medium
confidence: medium
attack: [T1562.007]
layer: cluster
control: detection
practice: network
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Where no policy selects a pod any more, everybody may talk to it and it may talk to everybody. Kubernetes' own
  policies, those for administrators, Cilium's and Calico's are looked at alike.
blind_spots: >-
  Whether another policy still covers the same pods. Stopping the network plugin itself.
false_positives: >-
  Taking an application out together with its policies. A GitOps tool that clears away is low.
triage:
  - Which pods did it select, and does another policy cover them?
  - What did those pods talk to since?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN verb = 'deletecollection' OR resource IN ('globalnetworkpolicies', 'ciliumclusterwidenetworkpolicies', 'adminnetworkpolicies',
                                                           'baselineadminnetworkpolicies', 'clusternetworkpolicies', 'tiers')
                THEN CASE WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' ELSE 'high' END
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'deleted', 'delete') || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END
           || thing(resource, subresource, namespace, name) || ' (' || tool || ')' || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE guard = 'network' AND verb IN ('delete', 'deletecollection')
