// Microsoft's SDK until 2025: the token is validated, and a press on a card is answered
// with a card. Nothing is stored, nothing is called.
'use strict';
const http = require('node:http');
const { ActivityHandler, CloudAdapter, ConfigurationBotFrameworkAuthentication } = require('botbuilder');

const auth = new ConfigurationBotFrameworkAuthentication({
  MicrosoftAppId: process.env.APP_ID,
  MicrosoftAppPassword: process.env.APP_SECRET,
  MicrosoftAppTenantId: process.env.TENANT_ID,
  MicrosoftAppType: 'SingleTenant',
  BotOpenIdMetadata: process.env.OPENID,
  // All of the cloud's addresses have to be named where one is.
  ValidateAuthority: 'true',
  ToChannelFromBotLoginUrl: 'https://login.microsoftonline.com/botframework.com',
  ToChannelFromBotOAuthScope: 'https://api.botframework.com/.default',
  ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
  OAuthUrl: 'https://api.botframework.com',
  ToBotFromChannelOpenIdMetadataUrl: process.env.OPENID,
  ToBotFromEmulatorOpenIdMetadataUrl: process.env.OPENID,
});
const adapter = new CloudAdapter(auth);

class Bot extends ActivityHandler {
  async onAdaptiveCardInvoke() {
    return {
      statusCode: 200,
      type: 'application/vnd.microsoft.card.adaptive',
      value: { type: 'AdaptiveCard', version: '1.5', body: [{ type: 'TextBlock', text: 'On its way', wrap: true }] },
    };
  }
}
const bot = new Bot();

// What the samples do with restify or express: the body parsed, and a response with
// status, header, send and end.
http.createServer((req, res) => {
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', async () => {
    try {
      req.body = JSON.parse(Buffer.concat(parts));
      await adapter.process(req, {
        socket: res.socket,
        status(code) { res.statusCode = code; return this; },
        header(name, value) { res.setHeader(name, value); return this; },
        send(body) {
          if (typeof body === 'object') { res.setHeader('Content-Type', 'application/json'); res.write(JSON.stringify(body)); } else { res.write(String(body)); }
          return this;
        },
        end(...args) { res.end(...args); return this; },
      }, (context) => bot.run(context));
    } catch (e) {
      if (!res.headersSent) { res.statusCode = 500; }
      res.end(String(e));
    }
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
