declare module "*.gen.txt" {
  const text: string;
  export default text;
}
