// Belay itself, and jobs for what is said while it does not serve.

param name string
param location string
param environment string
param storage string
param identity string
param identityClient string
param image string
param registryServer string
@secure()
param config string
param secrets object
param vault string
param vaultKey string
param database string
param minReplicas int
param maxReplicas int
param serve bool

// What the configuration holds is here and not in the file, so that the two cannot differ.
var settings = [
  { name: 'BELAY_LISTEN', value: ':8080' }
  { name: 'BELAY_PRIVATE_LISTEN', value: ':9090' }
  { name: 'BELAY_STOP_TIMEOUT', value: '20s' }
  { name: 'BELAY_ENTRA_MANAGED_IDENTITY_CLIENT_ID', value: identityClient }
  { name: 'BELAY_STORE_POSTGRES_URL', value: database }
  { name: 'BELAY_STORE_ENTRA_SIGN_IN', value: 'true' }
  { name: 'BELAY_KEYS_FILE', value: '/mnt/keys/belay.keys' }
  { name: 'BELAY_KEYS_VAULT_KEY', value: vaultKey }
  { name: 'BELAY_KEYS_IDENTITY', value: 'managed' }
  { name: 'BELAY_KEYS_IDENTITY_CLIENT_ID', value: identityClient }
]

var files = [for s in items(secrets): { name: s.key, value: '/etc/belay/${s.value}' }]

var stored = [for s in items(secrets): { name: s.value, keyVaultUrl: '${vault}secrets/${s.value}', identity: identity }]

var registries = registryServer == '' ? [] : [
  { server: registryServer, identity: identity }
]

var volumes = [
  {
    name: 'config'
    storageType: 'Secret'
    secrets: concat([{ secretRef: 'config', path: 'belay.yaml' }], map(items(secrets), s => { secretRef: s.value, path: s.value }))
  }
  {
    // Belay refuses a key file that others can read; 65532 is the image's user.
    name: 'keys'
    storageType: 'AzureFile'
    storageName: storage
    mountOptions: 'uid=65532,gid=65532,file_mode=0600,dir_mode=0700'
  }
]

var mounts = [
  { volumeName: 'config', mountPath: '/etc/belay' }
  { volumeName: 'keys', mountPath: '/mnt/keys' }
]

resource belay 'Microsoft.App/containerApps@2025-01-01' = if (serve) {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity}': {} }
  }
  properties: {
    environmentId: environment
    workloadProfileName: 'Consumption'
    configuration: {
      // The next revision is ready before this one stops.
      activeRevisionsMode: 'Single'
      maxInactiveRevisions: 5
      registries: registries
      secrets: concat([{ name: 'config', value: config }], stored)
      // The public listener alone. The private one is the probes'.
      ingress: {
        external: true
        targetPort: 8080
        transport: 'http'
        allowInsecure: false
      }
    }
    template: {
      terminationGracePeriodSeconds: 35
      volumes: volumes
      containers: [
        {
          name: 'belay'
          image: image
          args: ['serve', '--config', '/etc/belay/belay.yaml']
          env: concat(settings, files)
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: mounts
          probes: [
            {
              type: 'Startup'
              httpGet: { path: '/livez', port: 9090 }
              periodSeconds: 5
              failureThreshold: 60
            }
            {
              type: 'Liveness'
              httpGet: { path: '/livez', port: 9090 }
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 6
            }
            {
              type: 'Readiness'
              httpGet: { path: '/readyz', port: 9090 }
              periodSeconds: 5
              timeoutSeconds: 4
              failureThreshold: 2
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
      }
    }
  }
}

// What is said while no Belay serves: az containerapp job start --name …
var jobs = [
  { name: 'keys-wrap', args: ['keys', 'wrap', '--config', '/etc/belay/belay.yaml'] }
  { name: 'store-restored', args: ['store', 'restored', '--config', '/etc/belay/belay.yaml'] }
]

resource job 'Microsoft.App/jobs@2025-01-01' = [for j in jobs: {
  name: '${name}-${j.name}'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity}': {} }
  }
  properties: {
    environmentId: environment
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      replicaTimeout: 120
      replicaRetryLimit: 0
      manualTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
      }
      registries: registries
      secrets: concat([{ name: 'config', value: config }], stored)
    }
    template: {
      volumes: volumes
      containers: [
        {
          name: 'belay'
          image: image
          args: j.args
          env: concat(settings, files)
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          volumeMounts: mounts
        }
      ]
    }
  }
}]
