/*---
id: event-forged
title: Somebody who is no component wrote a Kubernetes event
techniques: [N47]
status: stable
severity: low
confidence: low
attack: [T1036, T1565]
layer: cluster
control: detection
practice: audit-logging
needs: {level: Metadata, resources: [events], verbs: [create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_components:
    default: [kubelet, default-scheduler, kube-scheduler, kube-proxy, node-controller, kube-controller-manager, deployment-controller, replicaset-controller, taint-eviction-controller]
    why: Components of Kubernetes; an event that names one and comes from a person or an application is a forgery.
why: >-
  People look at events to learn what a cluster did. One that says that the kubelet killed a pod may be written by
  anybody who may create events.
blind_spots: >-
  Service accounts write events as a matter of course; without the body only people are told apart.
false_positives: >-
  Test tools; plug-ins of kubectl that leave a note.
triage:
  - What does the event say, and about which object?
  - What did the same identity do to that object?
---*/
WITH written AS (
    SELECT *, coalesce(json_extract_string(request_object, '$.source.component'), json_extract_string(request_object, '$.reportingComponent'),
                       json_extract_string(request_object, '$.reportingController')) AS component
    FROM requests
    WHERE resource = 'events' AND verb = 'create' AND subresource IS NULL
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
      AND NOT (is_node(user_name, user_groups) AND impersonated_user_name IS NULL)
      AND (request_object IS NOT NULL OR service_account_name IS NULL OR impersonated_user_name IS NOT NULL)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN list_contains($system_components, component) AND took_effect(verb, level, response_code, request_uri, request_object) THEN 'medium' END AS severity,
       CASE WHEN list_contains($system_components, component) THEN 'medium' END AS confidence,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'wrote', 'write')
           || thing(resource, subresource, namespace, name) || coalesce(' in the name of ' || component, '')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM written
-- What runs inside kube-system are such components.
WHERE (list_contains($system_components, component) AND coalesce(service_account_namespace, '') <> 'kube-system')
   OR service_account_name IS NULL OR impersonated_user_name IS NOT NULL
