// PostgreSQL, without a password: Entra signs in. Belay's own role is made by the
// administrator (docs/operations.md), so that Belay does not administer the server.

param name string
param location string
param administrator string
param administratorName string
param administratorType 'Group' | 'User'
param setUpFrom string
param subnet string
param network string
param zoneRedundant bool
param sku object
param logs string

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: '${name}-db-${uniqueString(resourceGroup().id)}'
  location: location
  sku: sku
  properties: {
    version: '16'
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: {
      storageSizeGB: 32
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 35
      geoRedundantBackup: 'Disabled'
    }
    // Synchronous: what was acknowledged is on both.
    highAvailability: { mode: zoneRedundant ? 'ZoneRedundant' : 'Disabled' }
    network: { publicNetworkAccess: setUpFrom == '' ? 'Disabled' : 'Enabled' }
  }
}

resource data 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2024-08-01' = {
  parent: server
  name: 'belay'
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
}

resource admin 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2024-08-01' = {
  parent: server
  name: administrator
  properties: {
    principalName: administratorName
    principalType: administratorType
    tenantId: tenant().tenantId
  }
  dependsOn: [data]
}

resource open 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2024-08-01' = if (setUpFrom != '') {
  parent: server
  name: 'set-up'
  properties: {
    startIpAddress: setUpFrom
    endIpAddress: setUpFrom
  }
  dependsOn: [admin]
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: server
  properties: {
    workspaceId: logs
    logs: [
      {
        category: 'PostgreSQLLogs'
        enabled: true
      }
    ]
  }
}

module endpoint 'endpoint.bicep' = {
  name: '${name}-database-endpoint'
  params: {
    name: '${name}-database'
    location: location
    target: server.id
    group: 'postgresqlServer'
    zone: 'privatelink.postgres.database.azure.com'
    subnet: subnet
    network: network
  }
}

output host string = server.properties.fullyQualifiedDomainName
