-- Words that many rules use. A name that a client can choose never decides: service accounts count only
-- where the server vouched for them (service_account_* columns), nodes only with their group.

-- The request did what it asked: 2xx, or 101 for an upgraded connection. decision = 'allow' is not enough.
CREATE MACRO succeeded(response_code) AS (response_code BETWEEN 200 AND 299 OR response_code = 101);

-- The path of a request URI, without its query.
CREATE MACRO uri_path(request_uri) AS split_part(request_uri, '?', 1);

-- Values of a query parameter, decoded, in order; empty list where there is none.
CREATE MACRO query_values(request_uri, parameter) AS
    list_transform(
        list_filter(
            string_split(CASE WHEN contains(request_uri, '?') THEN substr(request_uri, strpos(request_uri, '?') + 1) ELSE '' END, '&'),
            lambda part: url_decode(replace(split_part(part, '=', 1), '+', ' ')) = parameter
        ),
        lambda part: CASE WHEN contains(part, '=') THEN url_decode(replace(substr(part, strpos(part, '=') + 1), '+', ' ')) ELSE '' END
    );

-- A dry run answers like the real thing and stores nothing.
CREATE MACRO is_dry_run(request_uri) AS
    (contains(request_uri, 'dryRun') OR contains(request_uri, '%')) AND list_contains(query_values(request_uri, 'dryRun'), 'All');

-- Who refused it: authentication, authorization, impersonation, admission; null where nobody did.
CREATE MACRO denied_by(response_code, decision, response_message) AS
    CASE
        WHEN response_code = 401 THEN 'authentication'
        WHEN response_code = 403 AND decision = 'forbid' THEN 'authorization'
        WHEN response_code = 403 AND decision IS NULL AND response_message LIKE '%cannot impersonate%' THEN 'impersonation'
        WHEN response_code IN (400, 403, 409, 422) AND decision = 'allow'
             AND (response_message LIKE '%denied the request%' OR response_message LIKE '%violates PodSecurity%'
                  OR response_message LIKE '%ValidatingAdmissionPolicy%' OR response_code = 403) THEN 'admission'
    END;

-- Nobody: no credential, or the group that the server gives to those without one (an authenticating proxy
-- may use another name).
CREATE MACRO is_anonymous(user_name, user_groups) AS
    (user_name = 'system:anonymous' OR coalesce(list_contains(user_groups, 'system:unauthenticated'), false));

-- A node as itself: the name alone can be had by anybody who gets a certificate signed.
CREATE MACRO is_node(user_name, user_groups) AS
    (starts_with(user_name, 'system:node:') AND coalesce(list_contains(user_groups, 'system:nodes'), false));

-- The control plane's own identities. The kube-apiserver calls itself from the loopback address only.
CREATE MACRO is_control_plane(user_name, user_groups, source_ip) AS
    coalesce(
        user_name IN ('system:kube-controller-manager', 'system:kube-scheduler')
        OR (user_name = 'system:apiserver' AND list_contains(user_groups, 'system:masters') AND source_ip IN ('127.0.0.1', '::1')),
        false
    );

-- Controllers of the kube-controller-manager under their own service accounts.
CREATE MACRO is_built_in_controller(service_account_namespace, service_account_name) AS
    coalesce(
        service_account_namespace = 'kube-system'
        AND service_account_name IN (
            'namespace-controller', 'generic-garbage-collector', 'resourcequota-controller', 'clusterrole-aggregation-controller',
            'service-account-controller', 'service-account-token-controller', 'tokens-controller', 'root-ca-cert-publisher',
            'legacy-service-account-token-cleaner', 'replicaset-controller', 'deployment-controller', 'daemon-set-controller',
            'statefulset-controller', 'job-controller', 'cronjob-controller', 'replication-controller', 'node-controller',
            'endpoint-controller', 'endpointslice-controller', 'endpointslicemirroring-controller', 'ttl-after-finished-controller',
            'pod-garbage-collector', 'disruption-controller', 'certificate-controller', 'attachdetach-controller',
            'persistent-volume-binder', 'pvc-protection-controller', 'pv-protection-controller', 'horizontal-pod-autoscaler',
            'expand-controller', 'ephemeral-volume-controller', 'bootstrap-signer', 'token-cleaner', 'storage-version-migrator-controller'
        ),
        false
    );

-- Somebody, in words: the user, and whom it acted as.
CREATE MACRO actor(user_name, impersonated_user_name) AS
    coalesce(user_name, 'nobody') || CASE WHEN impersonated_user_name IS NULL THEN '' ELSE ' as ' || impersonated_user_name END;
