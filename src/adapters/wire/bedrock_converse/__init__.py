"""Amazon Bedrock's Converse and ConverseStream, in both roles."""
