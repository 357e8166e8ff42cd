// The environment of the apps, in the network, with its logs and the share of the key file.

param name string
param location string
param subnet string
param logs string
param account string
param share string
param zoneRedundant bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logs
}

resource files 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: account
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: '${name}-env'
  location: location
  properties: {
    zoneRedundant: zoneRedundant
    vnetConfiguration: {
      infrastructureSubnetId: subnet
      internal: false
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: workspace.properties.customerId
        sharedKey: workspace.listKeys().primarySharedKey
      }
    }
  }
}

resource storage 'Microsoft.App/managedEnvironments/storages@2025-01-01' = {
  parent: environment
  name: 'keys'
  properties: {
    azureFile: {
      accountName: account
      accountKey: files.listKeys().keys[0].value
      shareName: share
      accessMode: 'ReadWrite'
    }
  }
}

output environment string = environment.id
output domain string = environment.properties.defaultDomain
output storage string = storage.name
