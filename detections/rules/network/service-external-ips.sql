/*---
id: service-external-ips
title: A service claims addresses that are not its own
techniques: [F09]
status: stable
severity: high
confidence: medium
attack: [T1557]
layer: cluster
control: detection
practice: network
needs: {level: Metadata, resources: [services]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  load_balancer_controllers:
    default: [kube-system/service-controller, kube-system/cloud-controller-manager, kube-system/cloud-provider, metallb-system/controller, kube-system/kube-vip, kube-system/cilium-operator, kube-system/aws-load-balancer-controller]
    why: Service accounts (namespace/name) that write the address of a load balancer into services/status as their job.
  load_balancer_users:
    default: ["system:cloud-controller-manager", "cloud-controller-manager", "system:kube-controller-manager"]
    why: Users that do the same without being a service account.
why: >-
  Every node sends traffic for an external IP of a service to that service's pods, whoever owns the address. A resolver,
  an API or the metadata address can be taken over for the whole cluster this way (CVE-2020-8554); the address in a
  service's status does the same.
blind_spots: >-
  A cluster that refuses external IPs by admission shows the attempt only.
false_positives: >-
  Clusters on bare metal that really use external IPs; load balancers under other names: add them.
triage:
  - Whose address is it? One that the cluster's pods talk to is the point of the attack.
  - Which pods stand behind the service, and who runs them?
  - Delete the service; traffic goes where it belongs at once.
references: [https://github.com/kubernetes/kubernetes/issues/97076]
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       NULL AS confidence,
       did(user_name, impersonated_user_name, applied, 'gave', 'give') || thing(resource, subresource, namespace, object_name)
           || ' the addresses ' || array_to_string(external_ips, ', ') || outcome(applied, response_code, decision, response_message) AS detail
FROM service_writes
WHERE subresource IS NULL AND len(external_ips) > 0 AND NOT coalesce(list_has_all(old_external_ips, external_ips), false)
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT took_effect(verb, level, response_code, request_uri, request_object) THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       CASE WHEN request_object IS NULL THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'wrote', 'write')
           || thing(resource, subresource, namespace, name) || coalesce(': ' || nullif(array_to_string(json_extract_string(request_object, '$.status.loadBalancer.ingress[*].ip'), ', '), ''), '')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource = 'services' AND api_group IS NULL AND subresource = 'status' AND verb IN ('update', 'patch')
  AND NOT (impersonated_user_name IS NULL
           AND (coalesce(list_contains($load_balancer_controllers, service_account_namespace || '/' || service_account_name), false)
                OR list_contains($load_balancer_users, user_name)))
