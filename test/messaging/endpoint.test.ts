import { describeModel } from './endpoint-model.js';
import { describeEndpoint } from './endpoint-suite.js';
import { FAULTLESS, PORTS, RINGS } from './pairs.js';

for (const transport of [RINGS, FAULTLESS, PORTS]) {
  describeEndpoint(transport);
  describeModel(transport);
}
