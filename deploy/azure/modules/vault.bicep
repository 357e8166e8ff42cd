// Key Vault: Slack's secrets, and the key that wraps the key file. Belay reads the secrets and
// wraps and unwraps with that one key; the administrator writes secrets.

param name string
param location string
param principal string
param administrator string
param administratorType 'Group' | 'User'
param setUpFrom string
param subnet string
param network string
param logs string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: '${name}-${uniqueString(resourceGroup().id)}'
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    // Without the key nothing opens the key file, and nobody can make that key again.
    enablePurgeProtection: true
    publicNetworkAccess: setUpFrom == '' ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: setUpFrom == '' ? [] : [
        { value: setUpFrom }
      ]
    }
  }
}

resource key 'Microsoft.KeyVault/vaults/keys@2023-07-01' = {
  parent: vault
  name: 'belay'
  properties: {
    kty: 'RSA'
    keySize: 3072
    keyOps: ['wrapKey', 'unwrapKey']
  }
}

// Key Vault Crypto Service Encryption User, on this key.
var wraps = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'e147488a-f6f5-4113-8e2d-b22465e65bf6')

resource wrap 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(key.id, principal, wraps)
  scope: key
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: wraps
  }
}

// Key Vault Secrets User: the vault holds Belay's secrets and nobody else's.
var reads = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')

resource read 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principal, reads)
  scope: vault
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: reads
  }
}

// Key Vault Secrets Officer.
var writes = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7')

resource write 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, administrator, writes)
  scope: vault
  properties: {
    principalId: administrator
    principalType: administratorType
    roleDefinitionId: writes
  }
}

// Each time that the key file is opened is in the vault's log.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: logs
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

module endpoint 'endpoint.bicep' = {
  name: '${name}-vault-endpoint'
  params: {
    name: '${name}-vault'
    location: location
    target: vault.id
    group: 'vault'
    zone: 'privatelink.vaultcore.azure.net'
    subnet: subnet
    network: network
  }
}

output name string = vault.name
output address string = vault.properties.vaultUri
output key string = '${vault.properties.vaultUri}keys/${key.name}'
