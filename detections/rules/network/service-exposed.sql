/*---
id: service-exposed
title: A service was opened to the outside
techniques: [F06, F07]
status: stable
severity: low
confidence: high
attack: [T1133, T1190]
threat_matrix: [MS-TA9005]
layer: cluster
control: detection
practice: network
needs: {level: Request, resources: [services]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  sensitive_services:
    default: [kubernetes-dashboard, kubeflow, istio-ingressgateway, argo, argo-server, argocd-server, jupyter, notebook, weave-scope-app, prometheus, grafana, alertmanager, kibana, elasticsearch, redis, postgres, postgresql, mysql, mongodb, etcd, docker-registry, vault]
    why: Names of services that nobody should reach from outside. A name here only adds suspicion.
  sensitive_ports:
    default: ["22", "2375", "2379", "3306", "5432", "6379", "6443", "9200", "10250", "27017"]
    why: Ports of databases, of remote control and of the control plane.
why: >-
  A service of type NodePort or LoadBalancer can be reached without going through the ingress and its rules. A service
  that was internal and becomes one of those is rarely planned; a dashboard or a database among them is an open door.
blind_spots: >-
  Host ports and host networking of pods; ingresses and gateways. Whether a firewall stands in front. A replacement
  (PUT) by somebody when the log does not show what stood there before is low.
false_positives: >-
  Ingress controllers and whatever is meant to be reached. Load balancers that are internal, or that let few addresses
  in, are low.
triage:
  - Was it meant to be reached, and by whom?
  - Which address and port did it get? The service's status says.
  - What do the pods behind it offer without a password?
---*/
WITH opened AS (
    SELECT *, service_annotations IS NOT NULL AND regexp_matches(service_annotations,
                   '"[^"]*load-balancer-(internal|type|scheme)"\s*:\s*"(true|[Ii]nternal|0\.0\.0\.0/0)"')
              OR (len(source_ranges) > 0 AND NOT list_has_any(source_ranges, ['0.0.0.0/0', '::/0'])) AS narrow,
           list_contains($sensitive_services, object_name) OR list_has_any(ports, $sensitive_ports) AS sensitive,
           impersonated_user_name IS NULL AND service_account_name IS NOT NULL AS by_software
    FROM service_writes
    WHERE subresource IS NULL AND service_type IN ('NodePort', 'LoadBalancer') AND service_type IS DISTINCT FROM old_type
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR narrow THEN 'low'
            WHEN sensitive THEN CASE WHEN by_software THEN 'medium' ELSE 'high' END
            WHEN NOT created AND NOT by_software AND (old_type IS NOT NULL OR form <> 'object') THEN 'medium' END AS severity,
       CASE WHEN sensitive THEN 'medium' END AS confidence,
       did(user_name, impersonated_user_name, applied, CASE WHEN created THEN 'created' ELSE 'made' END, CASE WHEN created THEN 'create' ELSE 'make' END)
           || thing(resource, subresource, namespace, object_name) || ' a ' || service_type
           || CASE WHEN NOT created THEN coalesce(', which was a ' || old_type, '') ELSE '' END
           || CASE WHEN narrow THEN ', open to few' ELSE '' END || outcome(applied, response_code, decision, response_message) AS detail
FROM opened
